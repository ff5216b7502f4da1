"""What a request tells about its visitor beside the events: address, browser, origin, wishes.

The address (see `addresses`) and the user agent live as long as the request: they are counted by the limits, hashed
into an id for those who bring none, looked up for a country, and never logged or stored.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from clickstream_collector.headers import Headers, elements, single
from clickstream_core.addresses import Proxies
from clickstream_core.timestamps import format_milliseconds

_LONGEST_USER_AGENT = 512
_LONGEST_URL = 2048
_USUAL_URL = 256  # characters; longer ones are read each time, or those remembered could take 64 MB


@dataclass(frozen=True, slots=True)
class Visit:
    """One request's circumstances; `received_at` and `sent_at` are milliseconds since the epoch.

    `received` is `received_at` as text. `sent_at` is the sender's clock when it sent, None when it did not say. `host`,
    `path` and `query` are those of the page that sent, as far as the browser tells: empty otherwise. `objects` is
    whether the visitor wants to be left alone, `by_proxy` whether a trusted proxy passed the request on.
    """

    address: str
    user_agent: str
    host: str
    path: str
    site_key: str
    received_at: int
    received: str
    sent_at: int | None = None
    objects: bool = False
    query: str = ""
    by_proxy: bool = False


def visit(headers: Headers, peer: str, proxies: Proxies, site_key: str, received_at: int, sent_at: int | None) -> Visit:
    """Return the circumstances of a request; `headers` by lower-case name, `peer` is the socket's other end."""
    page = _text(headers, b"referer")
    host, path = page_of(page) if page else ("", "")
    origin = single(headers, b"origin")
    return Visit(
        address=proxies.visitor_address(peer, _text(headers, b"x-forwarded-for")),
        user_agent=_text(headers, b"user-agent")[:_LONGEST_USER_AGENT],
        host=page_of(origin)[0] if origin else host,
        path=path,
        query=page[:_LONGEST_URL].partition("#")[0].partition("?")[2] if path else "",
        site_key=site_key,
        received_at=received_at,
        received=format_milliseconds(received_at),
        sent_at=sent_at,
        by_proxy=proxies.are_asking(peer),
        objects="1" in elements(headers, b"dnt") or "1" in elements(headers, b"sec-gpc"),
    )


def page_of(url: str) -> tuple[str, str]:
    """Return a URL's host, without `www.`, and its path; both are empty for what is no URL of a page."""
    return _remembered(url) if len(url) <= _USUAL_URL else _page_of(url[:_LONGEST_URL])


def _page_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https", "android-app") or not host:
        return "", ""
    if host.count(".") > 1:  # www.com is no other name of com
        host = host.removeprefix("www.")
    return host, parts.path or "/"


_remembered = lru_cache(maxsize=4096)(_page_of)


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
