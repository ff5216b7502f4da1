"""The scenarios' admin page as a server in the test's process, and requests to it."""

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from clickstream_local.ports import free_port
from clickstream_scenarios.admin_site import AdminSite
from clickstream_scenarios.cache import Cache
from clickstream_scenarios.requests import Request
from clickstream_scenarios.scenario_api import ScenarioApi
from clickstream_scenarios.sign_in import NONE, SignIn
from clickstream_scenarios.trial_api import TrialApi
from clickstream_web.server import web_server
from clickstream_web.shell import application

_TIMEOUT_S = 30


@dataclass
class Admin:
    """A running page; `cookie` is sent along, as a browser does."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://localhost:{self.port}/"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """Return status, headers and the decoded JSON (or the text) of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Content-Type": "application/json", **self.headers, **named}
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("localhost", self.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, json.loads(text) if "json" in found.get("content-type", "") else text


class Recent:
    """Stands in for the last requests in Kafka."""

    def __init__(self, requests: Sequence[Request] | Exception = ()) -> None:
        self.requests = requests

    async def last(self) -> Sequence[Request]:
        if isinstance(self.requests, Exception):
            raise self.requests
        return self.requests


@contextmanager
def scenario_admin(
    engine: Engine,
    cache: Cache,
    sign_in: SignIn | None = None,
    recent: Recent | None = None,
) -> Iterator[Admin]:
    """Run one; without `sign_in` everybody is signed in."""
    sign_in = sign_in or SignIn(NONE, b"")
    trial = TrialApi(engine, recent or Recent(), sign_in)
    routes = [*AdminSite(sign_in).routes, *trial.routes, *ScenarioApi(engine, cache, sign_in).routes]
    port = free_port()
    with web_server(application(routes), port):
        yield Admin(port)
