"""The collector's settings: who may send, how much, and which parts of a request are trusted."""

import ipaddress
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.addresses import PRIVATE, Network, networks
from clickstream_core.errors import SettingsError
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, number_or_off, path, port, port_or_none, setting, setting_of
from clickstream_kafka.passwords import Password
from clickstream_kafka.settings import DistinctTopics, KafkaSettings, TopicSettings

APP = "clickstream-collector"

ANY_ORIGIN = "*"
_MIN_SECRET_LENGTH = 16
_COUNTRY_HEADERS = "CF-IPCountry,CloudFront-Viewer-Country,X-Vercel-IP-Country,X-AppEngine-Country,X-Country-Code"
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<any>\*\.)?(?P<host>[^\s/?#@:*\[\]]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?",
    re.IGNORECASE,
)
_HOST = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DOTS = re.compile("[\u3002\uff0e\uff61]")  # which are dots in IDNA (RFC 3490, 3.1)


def origins(value: str) -> tuple[str, ...]:
    """`*`, or origins separated by commas; a host may begin with `*.` for all its subdomains."""
    try:
        return tuple(
            each.strip() if each.strip() == ANY_ORIGIN else canonical_origin(each.strip().removesuffix("/"))
            for each in value.split(",")
        )
    except ValueError as error:
        raise ValueError(
            "expected * or origins separated by commas, such as https://shop.example.com,https://*.example.com"
        ) from error


def canonical_origin(origin: str) -> str:
    """Return an origin as browsers write it (RFC 6454, 6.2), without a final dot of the host. Raises ValueError.

    Lower case, no default port, IPv6 as in RFC 5952, international names as Punycode.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise ValueError("not an origin")
    scheme, host, port = match["scheme"].lower(), match["host"], int(match["port"] or 0)
    if port > 65535:
        raise ValueError("no such port")
    if host.startswith("["):
        host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
    else:
        host = _host(host)
        if _HOST.fullmatch(host) is None:
            raise ValueError("not a host")
    suffix = "" if port in (0, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{match['any'] or ''}{host}{suffix}"


def _host(name: str) -> str:
    """Return a host name in ASCII, as browsers do (UTS 46, which unlike Python's codec `idna` keeps an ß)."""
    if not name.isascii():
        name = _DOTS.sub(".", unicodedata.normalize("NFKC", name.lower()))
        name = ".".join(
            label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in name.split(".")
        )
    return name.lower().removesuffix(".")


def words(pattern: str, description: str) -> Callable[[str], tuple[str, ...]]:
    """Words separated by commas, each matching `pattern`, or `none`; `description` is the pattern in words."""

    def parse(value: str) -> tuple[str, ...]:
        if value.strip().lower() == "none":
            return ()
        listed = tuple(word.strip() for word in value.split(","))
        if not all(re.fullmatch(pattern, word, re.ASCII) for word in listed):
            raise ValueError(f"expected {description}, separated by commas")
        return listed

    return parse


events_per_second = number_or_off("events per second", 0.01, 1_000_000)


@dataclass(frozen=True)
class CollectorService(ServiceSettings):
    """The collector's two ports, and its logs."""

    http_port: int = setting("HTTP_PORT", parse=port, default="8080", help="port of the public endpoints")
    admin_port: int = setting(
        "ADMIN_PORT",
        parse=port_or_none,
        default="8081",
        help="port of /healthz, /readyz and /metrics, not for the public; 0 turns them off",
    )


@dataclass(frozen=True)
class CollectorTopics(DistinctTopics):
    events_topic: str = setting_of(TopicSettings, "events_topic")
    dead_letter_topic: str = setting_of(TopicSettings, "dead_letter_topic")


@dataclass(frozen=True)
class CollectorSettings:
    kafka: KafkaSettings
    topics: CollectorTopics
    service: CollectorService
    allowed_origins: tuple[str, ...] = setting(
        "ALLOWED_ORIGINS",
        parse=origins,
        default=ANY_ORIGIN,
        help="whose pages may send: https://shop.example.com,... or *",
    )
    site_keys: tuple[str, ...] | None = setting(
        "SITE_KEYS",
        parse=words(r"[A-Za-z0-9._-]{1,64}", "keys of up to 64 letters, digits, dots, underscores and hyphens"),
        help="keys that a site must name one of; without them any key will do, and none",
    )
    limit: float = setting(
        "LIMIT",
        parse=events_per_second,
        default="100",
        help="events per second of one visitor's address; off for no limits",
    )
    site_limit: float = setting(
        "SITE_LIMIT", parse=events_per_second, default="5000", help="events per second of one site key, or off"
    )
    bytes_per_event: float = setting(
        "BYTES_PER_EVENT",
        parse=number_or_off("bytes", 100, 1_000_000),
        default="2000",
        help="bytes to store that LIMIT and SITE_LIMIT allow for each event of theirs, on average; off for any size",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        parse=networks,
        default=PRIVATE,
        help="networks whose X-Forwarded-For and country headers are believed, or none; private stands for loopback, "
        "link-local and those of RFC 1918, 4193 and 6598",
    )
    country_headers: tuple[str, ...] = setting(
        "COUNTRY_HEADERS",
        parse=words(r"[A-Za-z0-9-]{1,64}", "header names, or none"),
        default=_COUNTRY_HEADERS,
        help="headers in which a CDN that is in TRUSTED_PROXIES names the visitor's country, the first counts; or none",
    )
    country_database: Path | None = setting(
        "COUNTRY_DATABASE", parse=path, help=".mmdb file with the countries of addresses, where no header names one"
    )
    bots: str = setting(
        "BOTS",
        parse=choice("exclude", "include"),
        default="exclude",
        help="events of crawlers: exclude (not stored), or include (stored with bot: true)",
    )
    kept_query_parameters: tuple[str, ...] = setting(
        "KEPT_QUERY_PARAMETERS",
        parse=words(r"[A-Za-z0-9._*-]{1,64}", "none, or names of parameters such as gclid or utm_*"),
        default="none",
        help="parameters that stay in page_url, as in gclid,utm_*; all else of its query is cut off",
    )
    visitor_secret: Password | None = setting(
        "VISITOR_SECRET",
        parse=Password,
        help="secret for the ids of visitors who have none of their own; the same for all replicas",
    )
    visitor_secret_file: Password | None = setting(
        "VISITOR_SECRET_FILE",
        parse=lambda value: Password.from_file(Path(value)),
        help="file with the same, instead of VISITOR_SECRET",
    )

    @property
    def limits(self) -> tuple[float, float]:
        """Events per second of a visitor and of a site; LIMIT=off turns off both, and the limits in bytes."""
        return (self.limit, math.inf if math.isinf(self.limit) else self.site_limit)

    def validate(self) -> None:
        if self.visitor_secret is not None and self.visitor_secret_file is not None:
            raise SettingsError("VISITOR_SECRET and VISITOR_SECRET_FILE are both set: expected one of the two")
        secret = self.visitor_secret or self.visitor_secret_file
        if secret is not None and len(secret.current()) < _MIN_SECRET_LENGTH:
            name = "VISITOR_SECRET" if self.visitor_secret else "VISITOR_SECRET_FILE"
            raise SettingsError(f"{name} is too short: expected at least {_MIN_SECRET_LENGTH} characters")
        if self.service.admin_port == self.service.http_port:
            raise SettingsError(
                f"ADMIN_PORT={self.service.admin_port}: expected a port other than HTTP_PORT, which is public"
            )
