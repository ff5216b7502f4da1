"""What a request contains about its visitor beside the events: address, browser, origin, consent.

The address (see `addresses`) and the user agent are kept only during the request: they are counted by the rate limits,
hashed into an id for visitors without one, used to look up the country, and never logged or stored.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from clickstream_collector.headers import Headers, elements, single
from clickstream_core.addresses import Proxies
from clickstream_core.timestamps import format_milliseconds

_MAX_USER_AGENT_LENGTH = 512
_MAX_URL_LENGTH = 2048
_CACHED_URL_LENGTH = 256  # longer URLs are parsed each time, because caching them could take 64 MB


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request; `received_at` and `sent_at` are milliseconds since the epoch.

    `received` is `received_at` as text. `sent_at` is the client's clock when it sent the request, None if unknown.
    `host`, `path` and `query` are those of the page that sent it, empty if the browser does not reveal them. `objects`
    is whether the visitor objects to tracking, `by_proxy` whether a trusted proxy forwarded the request.
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


def request_info(
    headers: Headers, peer: str, proxies: Proxies, site_key: str, received_at: int, sent_at: int | None
) -> RequestInfo:
    """Return what a request tells; `headers` by lower-case name, `peer` is the remote address of the socket."""
    page = _text(headers, b"referer")
    host, path = page_of(page) if page else ("", "")
    origin = single(headers, b"origin")
    return RequestInfo(
        address=proxies.visitor_address(peer, _text(headers, b"x-forwarded-for")),
        user_agent=_text(headers, b"user-agent")[:_MAX_USER_AGENT_LENGTH],
        host=page_of(origin)[0] if origin else host,
        path=path,
        query=page[:_MAX_URL_LENGTH].partition("#")[0].partition("?")[2] if path else "",
        site_key=site_key,
        received_at=received_at,
        received=format_milliseconds(received_at),
        sent_at=sent_at,
        by_proxy=proxies.are_asking(peer),
        objects="1" in elements(headers, b"dnt") or "1" in elements(headers, b"sec-gpc"),
    )


def page_of(url: str) -> tuple[str, str]:
    """Return a URL's host, without `www.`, and its path; both are empty if it is not the URL of a page."""
    return _cached_page_of(url) if len(url) <= _CACHED_URL_LENGTH else _page_of(url[:_MAX_URL_LENGTH])


def _page_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https", "android-app") or not host:
        return "", ""
    if host.count(".") > 1:  # www.com is not com
        host = host.removeprefix("www.")
    return host, parts.path or "/"


_cached_page_of = lru_cache(maxsize=4096)(_page_of)


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
