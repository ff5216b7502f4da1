"""The page at `/`, its files and its API, in the language of the address (`/?lang=ko`) or of the browser."""

from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_consumer.api import Api
from clickstream_consumer.updates import Updates
from clickstream_web.assets import SHARED, Asset, Assets, filled
from clickstream_web.requests import language
from clickstream_web.visitors import Visitors

LANGUAGES = ("en", "ko")


class Website:
    """The routes of the page. `language` is for browsers that want neither en nor ko."""

    def __init__(self, updates: Updates, visitors: Visitors, language: str = "en") -> None:
        self._language = language
        self._assets = Assets(SHARED, Path(__file__).parent / "web")
        self._pages = {language: self._page(language) for language in LANGUAGES}
        self.routes = [
            Route("/", self._index),
            Route("/api/openapi.json", self._openapi),
            self._assets.route,
            *Api(updates, visitors).routes,
        ]

    async def _index(self, request: Request) -> Response:
        page = self._pages[language(request, LANGUAGES, self._language)]
        return page.response(request, "no-cache", "Accept-Encoding, Accept-Language")

    async def _openapi(self, request: Request) -> Response:
        return self._assets["openapi.json"].response(request, "no-cache")

    def _page(self, language: str) -> Asset:
        words: dict[str, str] = msgspec.json.decode(self._assets["messages.json"].content)[language]
        words |= {"language": language, "static": f"static/{self._assets.version}"}
        template = self._assets["index.html"]
        return Asset(filled(template.content.decode(), words).encode(), template.content_type)
