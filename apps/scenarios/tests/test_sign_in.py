import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickstream_core.addresses import networks
from clickstream_core.errors import SettingsError
from clickstream_core.password_hashes import hash_password, is_password
from clickstream_core.settings import read_settings
from clickstream_scenarios.admin_settings import AdminSettings
from clickstream_scenarios.cache import Cache
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.passwords import BadUsersFile, read_users
from clickstream_scenarios.sign_in import COOKIE, PASSWORD, PROXY, SESSION_S, SignIn
from clickstream_web.visitors import Visitors
from kit.scenario_admin import Admin, scenario_admin

SECRET = "correct horse battery"
HASHED = hash_password(SECRET, bytes(16))


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path: Path, open_database: Callable[[str], Engine]) -> Engine:
    made = open_database(f"sqlite:///{tmp_path}/scenarios.db")
    migrate(made)
    return made


def _sign_in(admin: Admin, password: str = SECRET, **headers: str) -> tuple[int, str]:
    status, found, _ = admin.ask("POST", "/api/session", {"user": "kim", "password": password}, **headers)
    return status, found.get("set-cookie", "")


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def _user(admin: Admin, **headers: str) -> str | None:
    user: str | None = admin.ask("GET", "/api/session", **headers)[2]["user"]
    return user


def test_a_password_is_kept_as_a_hash_with_its_own_salt() -> None:
    assert is_password(SECRET, HASHED)
    assert not is_password("correct horse", HASHED)
    assert hash_password(SECRET) != HASHED
    assert "horse" not in HASHED
    assert not is_password(SECRET, "nonsense")


def test_a_session_lasts_until_its_end_a_new_password_or_signing_out(
    engine: Engine, open_cache: Callable[[str | None], Cache]
) -> None:
    clock, users = Clock(), {"kim": HASHED}
    with scenario_admin(engine, open_cache(None), SignIn(PASSWORD, b"k" * 32, lambda: users, clock=clock)) as admin:
        assert _sign_in(admin, "wrong")[0] == 401
        status, cookie = _sign_in(admin)
        assert status == 200
        assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION_S}"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "Secure" in _sign_in(admin, Origin="https://admin.example", Sec_Fetch_Site="same-origin")[1]
        session = cookie.partition(";")[0]
        assert _user(admin, Cookie=session) == "kim"
        forged = (
            base64.urlsafe_b64encode(b"lee").decode()
            + session.partition("=")[2][session.index(".") - len(COOKIE) - 1 :]
        )
        for other in (f"{COOKIE}={forged}", session[:-1], f"{COOKIE}=", f"{COOKIE}=a.b.c", f"{COOKIE}=..", "x=y"):
            assert _user(admin, Cookie=other) is None
        clock.now += SESSION_S - 1
        assert _user(admin, Cookie=session) == "kim"
        users["kim"] = hash_password("another password")
        assert _user(admin, Cookie=session) is None
        users["kim"] = HASHED
        clock.now += 1
        assert _user(admin, Cookie=session) is None
        status, headers, _ = admin.ask("DELETE", "/api/session", {})
        assert (status, headers["set-cookie"].startswith(f'{COOKIE}=""')) == (200, True)


def test_a_program_signs_in_with_basic_authentication(
    engine: Engine, open_cache: Callable[[str | None], Cache]
) -> None:
    with scenario_admin(engine, open_cache(None), SignIn(PASSWORD, b"k" * 32, lambda: {"kim": HASHED})) as admin:
        assert _user(admin, Authorization=_basic(f"kim:{SECRET}")) == "kim"
        for wrong in (_basic("kim:no"), _basic("lee:no"), _basic("kim"), "Basic ???", "Bearer x"):
            assert _user(admin, Authorization=wrong) is None


def test_the_proxys_header_is_believed_from_the_proxy_alone(
    engine: Engine, open_cache: Callable[[str | None], Cache]
) -> None:
    for trusted, user in (("127.0.0.0/8,::1/128", "kim"), ("10.0.0.0/8", None)):
        sign_in = SignIn(PROXY, b"", header="X-Forwarded-User", trusted=networks(trusted))
        with scenario_admin(engine, open_cache(None), sign_in) as admin:
            assert _user(admin, X_Forwarded_User="kim") == user
            assert _user(admin) is None
            assert _user(admin, X_Forwarded_User=" ") is None
            assert _sign_in(admin)[0] == 400, "there are no passwords here"


def test_passwords_can_be_tried_only_so_often(engine: Engine, open_cache: Callable[[str | None], Cache]) -> None:
    visitors = Visitors(0.5, clock=lambda: 0)
    attempt = lambda request: visitors.admit(visitors.visitor(request), 1)  # noqa: E731
    sign_in = SignIn(PASSWORD, b"k" * 32, lambda: {"kim": HASHED}, attempt=attempt)
    right, wrong = _basic(f"kim:{SECRET}"), _basic("kim:wrong")
    with scenario_admin(engine, open_cache(None), sign_in) as admin:
        assert _user(admin, Authorization=right) == "kim"
        assert [_sign_in(admin, "wrong")[0] for _ in range(3)] == [401] * 3
        assert _user(admin, Authorization=wrong) is None
        for path in ("/api/session", "/api/scenarios"):
            assert admin.ask("GET", path, Authorization=wrong)[0] == 429
        assert _sign_in(admin)[0] == 429
        assert _user(admin, Authorization=right) == "kim", "a program that has been right before goes on"


@pytest.mark.parametrize(
    ("line", "why"), [("kim", "line 2"), ("kim:plain", "line 2"), (f"k m:{HASHED}", "line 2"), (f":{HASHED}", "line 2")]
)
def test_a_users_file_is_read_or_refused_by_line(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "users"
    file.write_text(f"# who may edit\nkim:{HASHED}\n\n")
    assert read_users(file) == {"kim": HASHED}
    file.write_text(f"kim:{HASHED}\n{line}\n")
    with pytest.raises(BadUsersFile, match=f"^{why} is no name:hash"):
        read_users(file)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "ADMIN_USERS_FILE is not set: expected a file of users"),
        ({"ADMIN_USERS_FILE": "/dev/null"}, "ADMIN_USERS_FILE=/dev/null: expected at least one user"),
        ({"ADMIN_SIGN_IN": "none"}, "ADMIN_SIGN_IN=none: expected HTTP_HOST=127.0.0.1 with it, not ::"),
        ({"ADMIN_SIGN_IN": "proxy"}, "ADMIN_SIGN_IN=proxy: expected the proxy's network in TRUSTED_PROXIES"),
        ({"ADMIN_SIGN_IN": "all"}, "ADMIN_SIGN_IN=all: expected password, proxy or none"),
        ({"ADMIN_PROXY_HEADER": "a b"}, "ADMIN_PROXY_HEADER=a b: expected the name of a header field"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set: expected mariadb://"),
        (
            {"ADMIN_SIGN_IN": "none", "HTTP_HOST": "localhost", "ADMIN_SESSION_KEY_FILE": "/dev/null"},
            "ADMIN_SESSION_KEY_FILE=/dev/null: expected at least 32 bytes",
        ),
    ],
)
def test_settings_with_which_nobody_or_everybody_could_sign_in_are_refused(given: dict[str, str], why: str) -> None:
    environ = {"DATABASE_URL": "sqlite:///x.db", **given}
    with pytest.raises(SettingsError) as refused:
        read_settings(AdminSettings, prog="admin", description="", argv=[], environ=environ)
    assert why in str(refused.value)


def test_the_command_prints_the_hash_of_a_password() -> None:
    command = [sys.executable, "-m", "clickstream_scenarios.admin", "--hash-password"]
    done = subprocess.run(command, input=f"{SECRET}\n", capture_output=True, text=True)
    assert is_password(SECRET, done.stdout.strip())
    done = subprocess.run(command, input="short\n", capture_output=True, text=True)
    assert (done.returncode, "expected at least 12" in done.stderr) == (2, True)
