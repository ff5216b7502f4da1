"""The address on which an app listens, and the hosts for which it answers.

Foreign pages can reach even an app that listens on 127.0.0.1 only: a site may point its own name there after its page
was loaded (DNS rebinding). The browser then takes the app for that site, and the page's scripts can read every answer.
The Host of such a request is the site's name, so requests for names that are not in HTTP_ALLOWED_HOSTS are refused. An
address as Host always passes: it can't be made to point elsewhere, and Kubernetes' probes and Prometheus send nothing
else. So does a request without a Host, which no browser sends.
"""

import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from clickstream_core.errors import SettingsError
from clickstream_core.settings import setting

ALL_ADDRESSES = "::"  # all addresses of the machine, IPv4's too; only those where there is no IPv6
LOOPBACK = "127.0.0.1"
LOCALHOST = "localhost"
MISDIRECTED = "this address is not served under that name; see HTTP_ALLOWED_HOSTS"

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
    """The address of the app's ports, and the names that requests may use."""

    http_host: str = setting(
        "HTTP_HOST",
        parse=listen_address,
        default=ALL_ADDRESSES,
        help="address that the app's ports listen on; :: is all of them, IPv4's too, 127.0.0.1 this machine alone",
    )
    http_allowed_hosts: tuple[str, ...] | None = setting(
        "HTTP_ALLOWED_HOSTS",
        parse=host_names,
        help="host names that requests may use, besides localhost and addresses; others get 421; default: any name",
    )

    def answers_for(self, host: str) -> bool:
        """Whether to answer a request whose Host header, or whose target's host and port, is `host`."""
        if self.http_allowed_hosts is None or not host.strip():
            return True
        named = _HOST.fullmatch(host.strip().lower())
        if named is None:
            return False
        name = (named[1] or named[2]).removesuffix(".")
        return name == LOCALHOST or name in self.http_allowed_hosts or _is_address(name)


EVERYWHERE = ListenSettings()
"""All addresses, any host."""


def url_host(address: str) -> str:
    """Return the host of a URL for an app that listens on `address`, as used on this machine."""
    if address == LOOPBACK or ipaddress.ip_address(address).is_unspecified:
        return LOCALHOST
    return bracketed(address)


def bracketed(address: str) -> str:
    """Return an address in the form that precedes a port."""
    return f"[{address}]" if ":" in address else address


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listening_socket(host: str, port: int, setting: str = "HTTP_PORT") -> socket.socket:
    """Return a listening socket; ALL_ADDRESSES means all IPv4 addresses where there is no IPv6.

    Raises SettingsError that names `setting`, or HTTP_HOST, when this is not possible.
    """
    for address in (host, _ALL_OF_IPV4) if host == ALL_ADDRESSES else (host,):
        family = family_of(address)
        dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        try:
            return socket.create_server((address, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual)
        except OSError as error:
            failure, why = error, os.strerror(error.errno or 0)
            if not is_not_ours(error):
                raise SettingsError(
                    f"{setting}={port}: cannot listen on this port ({why}); choose another one"
                ) from error
    raise SettingsError(f"HTTP_HOST={host}: cannot listen on this address ({why})") from failure


def is_not_ours(error: OSError) -> bool:
    """Whether listening failed because this machine lacks the address, or all of its family."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
