"""Where an app listens, and for which hosts it answers.

An app that only listens on its own machine is still within reach of foreign pages: a site may let its own name point to
127.0.0.1 after its page was loaded (DNS rebinding), and the browser then takes the app for that site and lets the
page's scripts read every answer. What gives such a request away is its Host, which names the site. So whoever knows by
which names an app is reached can have all others refused. A Host that is an address passes always: an address can't be
made to point elsewhere, and the probes of Kubernetes and Prometheus have nothing else. So does a request without a
Host, which no browser sends.
"""

import errno
import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from clickstream_core.errors import SettingsError
from clickstream_core.settings import setting

T = TypeVar("T")

ALL_ADDRESSES = "::"
"""Listens on all addresses of the machine, those of IPv4 too, and only on these where there is no IPv6."""

LOOPBACK = "127.0.0.1"
LOCALHOST = "localhost"
MISDIRECTED = "this address is not served under that name; HTTP_ALLOWED_HOSTS says which names are"

_BACKLOG = 128
_ALL_OF_IPV4 = "0.0.0.0"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:@/\[\]]+))(?::[0-9]*)?", re.ASCII)


def listen_address(value: str) -> str:
    """An address to listen on, IPv6 with brackets or without; `localhost` is 127.0.0.1."""
    text = value.strip().lower()
    if text == LOCALHOST:
        return LOOPBACK
    try:
        address = ipaddress.ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None) is not None:
        raise ValueError(
            "expected an address of this machine, such as 127.0.0.1 or 192.168.1.5, or 0.0.0.0 or :: for all of them"
        )
    return str(address)


def host_names(value: str) -> tuple[str, ...]:
    """Host names separated by commas, without ports."""
    listed = tuple(name.strip().lower().removesuffix(".") for name in value.split(","))
    if not all(_NAME.fullmatch(name) for name in listed):
        raise ValueError("expected host names separated by commas, without ports, such as clicks.example.com,clicks")
    return listed


@dataclass(frozen=True)
class ListenSettings:
    """Who can reach the app's ports."""

    http_host: str = setting(
        "HTTP_HOST",
        parse=listen_address,
        default=ALL_ADDRESSES,
        help="address that the app's ports listen on; :: is all of them, IPv4's too, 127.0.0.1 this machine alone",
    )
    http_allowed_hosts: tuple[str, ...] | None = setting(
        "HTTP_ALLOWED_HOSTS",
        parse=host_names,
        help="names by which requests may ask for the app, beside localhost and addresses; others are refused with 421;"
        " without it any name will do",
    )

    def answers_for(self, host: str) -> bool:
        """Whether a request is answered whose Host header, or whose target's host and port, is `host`."""
        if self.http_allowed_hosts is None or not host.strip():
            return True
        named = _HOST.fullmatch(host.strip().lower())
        if named is None:
            return False
        name = (named[1] or named[2]).removesuffix(".")
        return name == LOCALHOST or name in self.http_allowed_hosts or _is_address(name)


EVERYWHERE = ListenSettings()
"""On all addresses, for any host."""


def url_host(address: str) -> str:
    """Return what stands in a URL of this machine for an app that listens on `address`."""
    if address == LOOPBACK or ipaddress.ip_address(address).is_unspecified:
        return LOCALHOST
    return bracketed(address)


def bracketed(address: str) -> str:
    """Return an address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of sockets for an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listening_socket(host: str, port: int, setting: str = "HTTP_PORT") -> socket.socket:
    """Return a socket that listens there. Raises SettingsError that names `setting`, or HTTP_HOST, when it can't."""

    def listen(address: str) -> socket.socket:
        listener = socket.socket(family_of(address))
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address == ALL_ADDRESSES:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((address, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    try:
        return listening(host, listen)
    except OSError as error:
        if is_not_ours(error):
            raise SettingsError(f"HTTP_HOST={host}: cannot listen on this address ({error.strerror})") from error
        raise SettingsError(
            f"{setting}={port}: cannot listen on this port ({error.strerror}); choose another one"
        ) from error


def listening(address: str, listen: Callable[[str], T]) -> T:
    """Return what `listen` makes of the address; of all IPv4 addresses where it is ALL_ADDRESSES and there is no IPv6.

    Raises the OSError of `listen`.
    """
    if address == ALL_ADDRESSES:
        try:
            return listen(address)
        except OSError as error:
            if not is_not_ours(error):
                raise
            address = _ALL_OF_IPV4
    return listen(address)


def is_not_ours(error: OSError) -> bool:
    """Whether listening failed because this machine does not have the address, or none of its kind."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
