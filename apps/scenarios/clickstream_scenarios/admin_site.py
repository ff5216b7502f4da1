"""The admin page at `/`, its files, and signing in."""

import asyncio
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_scenarios.scenario import OPERATORS
from clickstream_scenarios.scenario_api import json_answer, json_body
from clickstream_scenarios.sentences import LANGUAGES
from clickstream_scenarios.sign_in import PASSWORD, SignIn, refuse_other_sites
from clickstream_web.assets import SHARED, Asset, Assets, filled
from clickstream_web.errors import Refused
from clickstream_web.requests import language


class AdminSite:
    """The routes of the page and of the session."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in
        self._assets = Assets(SHARED, Path(__file__).parent / "web")
        self._pages = {each: self._page(each) for each in LANGUAGES}
        self.routes = [
            Route("/", self._index),
            Route("/api/openapi.json", self._openapi),
            Route("/api/session", self._session, methods=["GET", "POST", "DELETE"]),
            self._assets.route,
        ]

    async def _index(self, request: Request) -> Response:
        page = self._pages[language(request, LANGUAGES, "en")]
        return page.response(request, "no-cache", "Accept-Encoding, Accept-Language")

    async def _openapi(self, request: Request) -> Response:
        return self._assets["openapi.json"].response(request, "no-cache")

    async def _session(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return json_answer({"user": await asyncio.to_thread(self._sign_in.user, request), "way": self._sign_in.way})
        refuse_other_sites(request)
        if request.method == "DELETE":
            answer = json_answer({"user": None, "way": self._sign_in.way})
            self._sign_in.end(request, answer)
            return answer
        given = await json_body(request)
        name, password = (given.get("user"), given.get("password")) if isinstance(given, dict) else (None, None)
        if self._sign_in.way != PASSWORD or not isinstance(name, str) or not isinstance(password, str):
            raise Refused(400, "expected user and password")
        if not await asyncio.to_thread(self._sign_in.check, request, name, password):
            raise Refused(401, "wrong name or password")
        answer = json_answer({"user": name, "way": PASSWORD})
        self._sign_in.begin(request, answer, name)
        return answer

    def _page(self, language: str) -> Asset:
        words: dict[str, str] = msgspec.json.decode(self._assets["messages.json"].content)[language]
        words |= {"language": language, "static": f"static/{self._assets.version}", "operators": " | ".join(OPERATORS)}
        template = self._assets["index.html"]
        return Asset(filled(template.content.decode(), words).encode(), template.content_type)
