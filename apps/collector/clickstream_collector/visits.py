"""What a request tells about its visitor beside the events: address, browser, origin, wishes.

The address and the user agent live as long as the request: they are counted by the limits, hashed into an id for those
who bring none, looked up for a country, and never logged or stored.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from clickstream_collector.settings import Network
from clickstream_core.timestamps import format_milliseconds

_LONGEST_USER_AGENT = 512
_LONGEST_URL = 2048


@dataclass(frozen=True, slots=True)
class Visit:
    """One request's circumstances; `received_at` and `sent_at` are milliseconds since the epoch.

    `received` is `received_at` as text. `sent_at` is the sender's clock when it sent, None when it did not say. `host`,
    `path` and `query` are those of the page that sent, as far as the browser tells: empty otherwise. `objects` is
    whether the visitor wants to be left alone.
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


class Proxies:
    """The networks whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted
        self._is_trusted = lru_cache(maxsize=4096)(self._contain)

    def visitor_address(self, peer: str, forwarded_for: str) -> str:
        """Return the address nearest to this server that is no trusted proxy's.

        Each proxy adds whom it was asked by at the right end of the header, so what an untrusted one claims further
        to the left does not count. Without such an address it is the leftmost proxy's, as inside a private network.
        """
        address = peer
        if not forwarded_for or not self._is_trusted(peer):
            return address
        for hop in reversed(forwarded_for[-_LONGEST_URL:].split(",")):
            claimed = _without_port(hop.strip())
            if not _is_address(claimed):
                break
            address = claimed
            if not self._is_trusted(address):
                break
        return address

    def _contain(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted)


def visit(
    headers: Mapping[bytes, bytes], peer: str, proxies: Proxies, site_key: str, received_at: int, sent_at: int | None
) -> Visit:
    """Return the circumstances of a request; `headers` by lower-case name, `peer` is the socket's other end."""
    page = _text(headers, b"referer")
    host, path = page_of(page) if page else ("", "")
    origin = _text(headers, b"origin")
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
        objects=headers.get(b"dnt") == b"1" or headers.get(b"sec-gpc") == b"1",
    )


def page_of(url: str) -> tuple[str, str]:
    """Return a URL's host, without `www.`, and its path; both are empty for what is no URL of a page."""
    return _page_of(url[:_LONGEST_URL])  # cut before it is remembered: a header may have 64 kB


@lru_cache(maxsize=4096)
def _page_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https", "android-app") or not host:
        return "", ""
    return host.removeprefix("www."), parts.path or "/"


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


@lru_cache(maxsize=4096)
def limited_network(address: str) -> str:
    """Return what a rate limit counts as one visitor: an IPv4 address, or an IPv6 one's /64, which a line has whole."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        return address


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return getattr(address, "scope_id", None) is None  # a zone, fe80::1%eth0, may be any text


def _without_port(hop: str) -> str:
    """Return an X-Forwarded-For entry's address: some proxies write 203.0.113.7:50312 or [2001:db8::1]:50312."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
