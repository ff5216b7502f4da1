"""The page at `/`, its files and its API, with the headers that keep a browser from doing anything else.

The page is one HTML file whose words are filled in here, in the language that the address (`/?lang=ko`) or else the
browser asks for. The policy allows scripts and styles from this server only, none inside the page, and no other page
may frame this one.
"""

import html
import re
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec

from clickstream_consumer.api import Api
from clickstream_consumer.assets import Asset, Assets
from clickstream_consumer.history import WindowHistory
from clickstream_consumer.stream import EventStream
from clickstream_consumer.visitors import Visitors
from clickstream_core.pages import Request, Response

LANGUAGES = ("en", "ko")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")


class Website:
    """Answers the requests that `HealthServer` hands on. `language` is for browsers that want neither en nor ko."""

    def __init__(
        self, history: WindowHistory, stream: EventStream, language: str = "en", visitors: Visitors | None = None
    ) -> None:
        self._language = language
        self._assets = Assets()
        self._api = Api(history, stream, visitors or Visitors())
        self._pages = {language: self._page(language) for language in LANGUAGES}

    def __call__(self, request: Request) -> Response | None:
        """Return the answer, None for a path that is not the site's."""
        response = self._answer(request)
        if response is None:
            return None
        return replace(response, headers={**response.headers, **SECURITY_HEADERS})

    def _answer(self, request: Request) -> Response | None:
        if request.path == "/":
            page = self._pages[self._language_of(request)]
            response = page.response(request, "no-cache")
            return replace(response, headers={**response.headers, "Vary": "Accept-Encoding, Accept-Language"})
        if request.path == "/api/openapi.json":
            return self._assets["openapi.json"].response(request, "no-cache")
        if request.path.startswith("/static/"):
            return self._assets.answer(request) or Response(b"no such file\n", status=HTTPStatus.NOT_FOUND)
        return self._api.answer(request)

    def _language_of(self, request: Request) -> str:
        asked = parse_qs(request.query).get("lang", [""])[0]
        if asked in LANGUAGES:
            return asked
        return preferred_language(request.header("Accept-Language")) or self._language

    def _page(self, language: str) -> Asset:
        words: dict[str, str] = msgspec.json.decode(self._assets["messages.json"].content)[language]
        words |= {"language": language, "static": f"static/{self._assets.version}"}
        template = self._assets["index.html"]
        text = _PLACE.sub(lambda place: html.escape(words[place[1]]), template.content.decode())
        return Asset(text.encode(), template.content_type)


def preferred_language(accepted: str) -> str | None:
    """Return the one of `LANGUAGES` that an Accept-Language header (RFC 9110, 12.5.4) prefers, None for none."""
    best, best_weight = None, 0.0
    for offer in accepted.split(",")[:20]:
        tag, _, weight = offer.replace(" ", "").partition(";q=")
        language = tag.lower().split("-")[0]
        value = float(weight) if re.fullmatch(r"[01](?:\.[0-9]{0,3})?", weight) else 1.0
        if language in LANGUAGES and value > best_weight:
            best, best_weight = language, value
    return best
