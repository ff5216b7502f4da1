"""The settings of the admin page."""

import re
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.addresses import Network, networks
from clickstream_core.errors import SettingsError
from clickstream_core.listening import LOOPBACK
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, path, setting, setting_of
from clickstream_kafka.settings import KafkaSettings
from clickstream_scenarios.passwords import BadUsersFile, read_users
from clickstream_scenarios.settings import ScenarioTopics
from clickstream_scenarios.sign_in import NONE, PASSWORD, PROXY
from clickstream_scenarios.store_settings import StoreSettings

APP = "clickstream-scenarios-admin"


def header_name(value: str) -> str:
    """The name of a header field."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", value):
        raise ValueError("expected the name of a header field, such as X-Forwarded-User")
    return value


@dataclass(frozen=True)
class AdminSettings:
    """Everything that a user can set."""

    kafka: KafkaSettings
    store: StoreSettings
    service: ServiceSettings
    access_logs_topic: str = setting_of(ScenarioTopics, "access_logs_topic")
    events_topic: str = setting_of(ScenarioTopics, "events_topic")
    sign_in: str = setting(
        "ADMIN_SIGN_IN",
        parse=choice(PASSWORD, PROXY, NONE),
        default=PASSWORD,
        help="how users sign in: password, with ADMIN_USERS_FILE; proxy, with the name in ADMIN_PROXY_HEADER;"
        " or none, on this machine alone",
    )
    users_file: Path | None = setting(
        "ADMIN_USERS_FILE",
        parse=path,
        help="file of the users, one name:hash a line, as --hash-password prints; read again when it changes",
    )
    session_key_file: Path | None = setting(
        "ADMIN_SESSION_KEY_FILE",
        parse=path,
        help="file with 32 or more random bytes that sign sessions, the same for all replicas; default: new ones at the"
        " start",
    )
    proxy_header: str = setting(
        "ADMIN_PROXY_HEADER",
        parse=header_name,
        default="X-Forwarded-User",
        help="header in which the proxy names the user",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        parse=networks,
        default="none",
        help="networks of proxies whose ADMIN_PROXY_HEADER is believed: 10.0.0.0/8,... or private; or none",
    )

    def validate(self) -> None:
        """Raise SettingsError when nobody could sign in, or everybody could."""
        self.store.database.required()
        if self.sign_in == NONE and self.service.http_host != LOOPBACK:
            raise SettingsError(
                f"ADMIN_SIGN_IN=none: expected HTTP_HOST=127.0.0.1 with it, not {self.service.http_host}, so that only"
                " this machine reaches the page"
            )
        if self.sign_in == PROXY and not self.trusted_proxies:
            raise SettingsError("ADMIN_SIGN_IN=proxy: expected the proxy's network in TRUSTED_PROXIES")
        if self.sign_in == PASSWORD:
            self._check_users()
        if self.session_key_file is not None and len(self.session_key_file.read_bytes()) < 32:
            raise SettingsError(f"ADMIN_SESSION_KEY_FILE={self.session_key_file}: expected at least 32 bytes")

    def _check_users(self) -> None:
        if self.users_file is None:
            raise SettingsError(
                "ADMIN_USERS_FILE is not set: expected a file of users, made with clickstream-scenarios-admin"
                " --hash-password, or another ADMIN_SIGN_IN"
            )
        try:
            users = read_users(self.users_file)
        except (BadUsersFile, OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"ADMIN_USERS_FILE={self.users_file}: {error}") from error
        if not users:
            raise SettingsError(f"ADMIN_USERS_FILE={self.users_file}: expected at least one user")
