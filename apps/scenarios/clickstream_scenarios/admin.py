"""`clickstream-scenarios-admin`: the page on which people edit scenarios, and its API.

From top to bottom: settings, database and Redis, who may sign in, the page in a thread of its own, and running until a
signal. The main thread looks at the database every few seconds, for /readyz.
"""

import getpass
import secrets
import sys
from collections.abc import Mapping

from clickstream_core.build_info import publish_build_info
from clickstream_core.errors import SettingsError
from clickstream_core.logs import announce, configure_logs
from clickstream_core.password_hashes import hash_password
from clickstream_core.process import run
from clickstream_core.service import Health
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_scenarios import instruments
from clickstream_scenarios.admin_settings import APP, AdminSettings
from clickstream_scenarios.admin_site import AdminSite
from clickstream_scenarios.cache import Cache, client
from clickstream_scenarios.database import DatabaseAway, connect
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.passwords import MIN_LENGTH, read_users
from clickstream_scenarios.recent_requests import RecentRequests
from clickstream_scenarios.requests import read_access_log, read_event
from clickstream_scenarios.scenario_api import ScenarioApi
from clickstream_scenarios.scenario_store import revision
from clickstream_scenarios.sign_in import SignIn
from clickstream_scenarios.trial_api import TrialApi
from clickstream_web.server import web_server
from clickstream_web.shell import application
from clickstream_web.visitors import Visitors

_LOOK_S = 5.0
_RECORDS = 5000
_ATTEMPTS_PER_S = 0.5
"""Passwords that one address may try; ten seconds' worth at once."""


def main() -> None:
    """Serve the page until SIGTERM or SIGINT, or print the hash of a password."""
    if sys.argv[1:] == ["--hash-password"]:
        run(_hash_password)
    apply_to_aiokafka(instruments.KAFKA.count_unreadable, give_up_silent_brokers=True)
    run(_main)


def _main() -> int:
    settings = read_settings(
        AdminSettings,
        prog=APP,
        description="Serves the page on which people edit scenarios. --hash-password alone asks for a password and"
        " prints its hash for ADMIN_USERS_FILE.",
    )
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("scenarios-admin")
    health = Health()
    engine, cache, state = connect(settings.store.database), Cache(client(settings.store.cache)), DatabaseState()
    sign_in = _sign_in(settings)
    topics = {settings.access_logs_topic: read_access_log, settings.events_topic: read_event}
    recent = RecentRequests(settings.kafka.aiokafka_config(), topics, _RECORDS)
    routes = [
        *AdminSite(sign_in).routes,
        *TrialApi(engine, recent, sign_in).routes,
        *ScenarioApi(engine, cache, sign_in).routes,
    ]
    service = settings.service
    with Shutdown() as shutdown:
        app = application(routes, service, health=health, not_found="not found; try /, /api/openapi.json or /readyz")
        with web_server(app, service.http_port, service):
            announce(f"✓ The admin page is on port {service.http_port}")
            while not shutdown.requested.is_set():
                health.beat()
                try:
                    revision(engine)
                    state.here()
                    health.set_ready(True)
                except DatabaseAway as error:
                    state.away(error)
                    health.set_ready(False, str(error))
                shutdown.requested.wait(_LOOK_S)
    engine.dispose()
    return 0


def _sign_in(settings: AdminSettings) -> SignIn:
    file = settings.session_key_file
    key = secrets.token_bytes(32) if file is None else file.read_bytes()

    def users() -> Mapping[str, str]:
        return {} if settings.users_file is None else read_users(settings.users_file)

    visitors = Visitors(_ATTEMPTS_PER_S, settings.trusted_proxies)
    return SignIn(
        settings.sign_in,
        key,
        users,
        settings.proxy_header,
        settings.trusted_proxies,
        attempt=lambda request: visitors.admit(visitors.visitor(request), 1),
    )


def _hash_password() -> int:
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < MIN_LENGTH:
        raise SettingsError(f"the password has {len(password)} characters: expected at least {MIN_LENGTH}")
    print(hash_password(password))
    return 0


if __name__ == "__main__":
    main()
