"""Who uses the admin page: a user with a password, the name that a trusted proxy gives, or anyone on this machine.

A session is a cookie with the user's name and its end, signed: nothing is kept here, so any replica takes it. It is for
this site only (SameSite=Strict) and no script can read it. Requests that change something are refused when a browser
says that another site made them, and when they are no JSON: no form of another site can send that.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from clickstream_core.addresses import Network, Proxies
from clickstream_core.password_hashes import NOBODY, is_password
from clickstream_web.errors import Refused
from clickstream_web.requests import field

COOKIE = "clickstream_scenarios"
SESSION_S = 12 * 3600
PASSWORD, PROXY, NONE = "password", "proxy", "none"
_SAFE = ("GET", "HEAD", "OPTIONS")
_MAX_NAME_LENGTH = 200
_PROGRAM_S = 300
_MOST_PROGRAMS = 1000


class SignIn:
    """Knows the user of a request.

    `way` is PASSWORD, PROXY or NONE; `key` signs sessions; `users` returns names with hashes; `clock` gives seconds
    since the epoch; `attempt` is called before a password is compared, and raises Refused after too many. PROXY takes
    the user from the header `header` of a request that comes from a network in `trusted`.
    """

    def __init__(
        self,
        way: str,
        key: bytes,
        users: Callable[[], Mapping[str, str]] = dict,
        header: str = "",
        trusted: tuple[Network, ...] = (),
        clock: Callable[[], float] = time.time,
        attempt: Callable[[Request], None] = lambda request: None,
    ) -> None:
        self.way = way
        self._key = key
        self._users = users
        self._header = header
        self._proxies = Proxies(trusted)
        self._clock = clock
        self._attempt = attempt
        self._programs: dict[bytes, tuple[float, str, str]] = {}

    def user(self, request: Request) -> str | None:
        """Return the user; None for one who is not signed in."""
        if self.way == NONE:
            return "local"
        if self.way == PROXY:
            peer = request.client.host if request.client else ""
            given = request.headers.getlist(self._header)
            if len(given) != 1 or not self._proxies.are_asking(peer):
                return None
            return given[0].strip()[:_MAX_NAME_LENGTH] or None
        return self._of_session(request.cookies.get(COOKIE, "")) or self._of_basic(request)

    def required(self, request: Request) -> str:
        """Return the user of a request that may come from nowhere else. Raises Refused."""
        if request.method not in _SAFE:
            refuse_other_sites(request)
        user = self.user(request)
        if user is None:
            raise Refused(401, "sign in first", {"sign_in": self.way})
        return user

    def check(self, request: Request, name: str, password: str) -> bool:
        """Whether this is the user's password; takes a tenth of a second either way. Raises Refused."""
        self._attempt(request)
        hashed = self._users().get(name)
        return is_password(password, hashed or NOBODY) and hashed is not None

    def begin(self, request: Request, response: Response, name: str) -> None:
        """Give the browser a session."""
        end = int(self._clock()) + SESSION_S
        value = f"{base64.urlsafe_b64encode(name.encode()).decode()}.{end}"
        response.set_cookie(
            COOKIE,
            f"{value}.{self._signature(value, name)}",
            max_age=SESSION_S,
            secure=_is_tls(request),
            httponly=True,
            samesite="strict",
        )

    def end(self, request: Request, response: Response) -> None:
        """Take the session from the browser."""
        response.delete_cookie(COOKIE, secure=_is_tls(request), httponly=True, samesite="strict")

    def _of_session(self, cookie: str) -> str | None:
        value, _, signature = cookie.rpartition(".")
        encoded, _, end = value.partition(".")
        try:
            name = base64.urlsafe_b64decode(encoded).decode()
            alive = self._clock() < int(end)
        except ValueError:
            return None
        if not hmac.compare_digest(signature.encode(), self._signature(value, name).encode()):
            return None
        return name if alive else None

    def _of_basic(self, request: Request) -> str | None:
        """The user of a program: HTTP's Basic authentication (RFC 7617). Raises Refused.

        A password that was right is not compared again for some minutes.
        """
        scheme, _, encoded = field(request, "Authorization").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return None
        mark = hmac.digest(self._key, encoded.encode(), "sha256")
        hashed = self._users().get(name, "")
        until, known, of_hash = self._programs.get(mark, (0.0, "", ""))
        if self._clock() < until and known == name and of_hash == hashed:
            return name
        if not self.check(request, name, password):
            return None
        if len(self._programs) >= _MOST_PROGRAMS:
            self._programs.clear()
        self._programs[mark] = (self._clock() + _PROGRAM_S, name, hashed)
        return name

    def _signature(self, value: str, name: str) -> str:
        # With the hash in it, a new password ends the sessions of the one before.
        text = f"{value}\n{self._users().get(name, '')}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _is_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, perhaps to a proxy: its own word for where the page comes from."""
    return field(request, "Origin").startswith("https:")


def refuse_other_sites(request: Request) -> None:
    """Raise Refused for a request that another site's page made, or could have made with a form."""
    site = field(request, "Sec-Fetch-Site")
    origin = field(request, "Origin")
    foreign_origin = bool(origin) and urlsplit(origin).netloc.lower() != field(request, "Host").lower()
    if site not in ("", "same-origin", "none") or (not site and foreign_origin):
        raise Refused(403, "this request comes from another site")
    if field(request, "Content-Type").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "expected Content-Type: application/json")
