"""The visitor's address: the client behind any number of proxies, in one canonical form.

Limits, ids and countries depend on the address, so it is made canonical here, where it is read, and nowhere else: IPv6
as in RFC 5952, an IPv4 address written as IPv6 (`::ffff:203.0.113.7`, RFC 4291, section 2.5.5.2) as IPv4.
"""

import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE = "private"  # stands for the networks in which proxies usually are
WARN_AFTER_REQUESTS = 5  # with X-Forwarded-For from one untrusted network, after which a warning is logged
_MAX_FORWARDED_FOR_LENGTH = 2048
_MAX_ADDRESS_LENGTH = 80  # as IPv6, with brackets and port; a zone is not counted
_MAX_NETWORKS = 1000
_PRIVATE_NETWORKS = (
    "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    ",100.64.0.0/10,169.254.0.0/16,fe80::/10"  # RFC 6598, where EKS has pods; link-local, which no router passes on
)

_log = logging.getLogger(__name__)


def networks(value: str) -> tuple[Network, ...]:
    """Networks or addresses separated by commas, or `none`; `private` stands for several."""
    if value.strip().lower() == "none":
        return ()
    named = (_PRIVATE_NETWORKS if each.strip().lower() == PRIVATE else each for each in value.split(","))
    try:
        return tuple(_network_of(each.strip()) for each in ",".join(named).split(","))
    except ValueError as error:
        raise ValueError(
            "expected none, or networks separated by commas, such as private or 10.0.0.0/8,fd00::/8"
        ) from error


def _network_of(text: str) -> Network:
    """Return a network; IPv4 ones written as IPv6 (`::ffff:10.0.0.0/104`) are IPv4, as addresses are."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        return network if mapped is None else ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


class Proxies:
    """The networks whose X-Forwarded-For and country headers are believed."""

    def __init__(self, trusted: Sequence[Network], doubted: Callable[[], None] = lambda: None, means: str = "") -> None:
        """`doubted` is called for each X-Forwarded-For that is ignored; `means` says what else follows for visitors."""
        self._when_doubted = doubted
        self._means = means
        self._trusted = trusted
        self._is_trusted = lru_cache(maxsize=4096)(self._contain)
        self._doubted: Counter[str] = Counter()
        self._warned = False

    def are_asking(self, peer: str) -> bool:
        """Whether `peer` is a trusted proxy, so that the request's headers about the visitor are believed."""
        return self._is_trusted(canonical(peer) or peer)

    def visitor_address(self, peer: str, forwarded_for: str) -> str:
        """Return the address nearest to this server that is not a trusted proxy's, in canonical form.

        Each proxy appends the address of its client at the right end of the header, so what an untrusted client claims
        further to the left is ignored. If all are trusted proxies, as inside a private network, it is the leftmost one.
        A `peer` that is not an address is returned as it is.
        """
        address = canonical(peer) or peer
        if not forwarded_for:
            return address
        if not self._is_trusted(address):
            self._doubt(address)
            return address
        for hop in reversed(forwarded_for[-_MAX_FORWARDED_FOR_LENGTH:].split(",")):
            if not hop.strip():
                continue
            claimed = canonical(hop)
            if claimed is None:
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
        return any(address in network for network in self._trusted)

    def _doubt(self, address: str) -> None:
        """Count an ignored header; log once that a network keeps sending it, without a whole address."""
        self._when_doubted()
        if self._warned:
            return
        network = _network(address)
        self._doubted[network] += 1
        if self._doubted[network] >= WARN_AFTER_REQUESTS:
            self._warned = True
            self._doubted.clear()
            _log.warning(
                "X-Forwarded-For keeps coming from %s, which is not in TRUSTED_PROXIES: all visitors behind it count as"
                " one%s. If it is your proxy, add its network to TRUSTED_PROXIES",
                network or "a peer without an address",
                self._means,
            )
        elif len(self._doubted) > _MAX_NETWORKS:
            self._doubted.clear()


def canonical(text: str) -> str | None:
    """Return the canonical form of an address as peers and proxies write it, None if it is not an address.

    A port is dropped (`203.0.113.7:50312`, `[2001:db8::1]:50312`), and so is a zone (`fe80::1%eth0`), which has a
    meaning only on the machine that wrote it.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    text = text.partition("%")[0]
    return _canonical(text) if len(text) <= _MAX_ADDRESS_LENGTH else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    host, _, _ = text.rpartition(":")
    if "." in host:  # after an IPv4 address, or an IPv6 one that ends like one, comes a port
        text = host
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=4096)
def limited_network(address: str) -> str:
    """Return what a rate limit counts as one visitor: an IPv4 address, or the /64 of an IPv6 one (one line has it)."""
    return _network(address) if ":" in address else address


def _network(address: str) -> str:
    """Return the /24 of an IPv4 address or the /64 of an IPv6 one; anything else as it is."""
    try:
        return str(ipaddress.ip_network(f"{address}/{64 if ':' in address else 24}", strict=False))
    except ValueError:
        return address
