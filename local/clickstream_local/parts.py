"""What --local starts besides Kafka and Prometheus: one entry for each app and one for the demo shop.

They are started in this order and stopped in reverse: first the dashboard, which frees the terminal, then the writers
of events, then the processor.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickstream_core.durations import format_duration
from clickstream_core.listening import url_host
from clickstream_local.settings import LocalSettings


@dataclass(frozen=True)
class Part:
    """A process: its name, its own settings, and whether the options include it (`wanted`).

    Ports are offsets from HTTP_PORT: `admin` serves /healthz, /readyz and /metrics, `public` is for browsers. `page` is
    the title of the public port in the banner, and the path to open there.
    """

    name: str
    environ: Callable[[LocalSettings], Mapping[str, str]]
    wanted: Callable[[LocalSettings], bool] = lambda settings: True
    admin: int | None = None
    public: int | None = None
    page: tuple[str, str] = ("", "")

    def ports(self, settings: LocalSettings) -> dict[str, str]:
        """Return the port settings: an app with a port for browsers serves health and metrics on ADMIN_PORT."""
        if self.public is None:
            return {"HTTP_PORT": str(_port(settings, self.admin or 0))}
        admin = {} if self.admin is None else {"ADMIN_PORT": str(_port(settings, self.admin))}
        return {"HTTP_PORT": str(_port(settings, self.public)), **admin}


def _producer(settings: LocalSettings) -> Mapping[str, str]:
    seed = {} if settings.seed is None else {"SEED": str(settings.seed)}
    return {"RATE": f"{settings.rate:.15g}", "KIND": settings.kind, "USERS": str(settings.users), **seed}


def _shop(settings: LocalSettings) -> Mapping[str, str]:
    # If the shop has several addresses, browsers must find the collector at the one that they use for the shop.
    host = "*" if ipaddress.ip_address(settings.http_host).is_unspecified else url_host(settings.http_host)
    ports = public_ports(settings)
    return {"SHOP_PORT": str(ports["shop"]), "COLLECTOR_URL": f"http://{host}:{ports['collector']}"}


PARTS = (
    Part("streams", lambda settings: {"WINDOW_SIZE": format_duration(settings.window_size)}, admin=2),
    Part("producer", _producer, lambda settings: settings.rate > 0, admin=1),
    Part(
        "collector",
        lambda settings: {},
        lambda settings: settings.collector,
        admin=11,
        public=10,
        page=("Collector, for pages of your own", "clickstream.js"),
    ),
    Part("shop", _shop, lambda settings: settings.collector, public=12, page=("Demo shop, to click on", "")),
    Part("consumer", lambda settings: {"DASHBOARD_LANGUAGE": settings.language}, admin=0),
)


def wanted_parts(settings: LocalSettings) -> tuple[Part, ...]:
    """Return those that the options include, in the order of their start."""
    return tuple(part for part in PARTS if part.wanted(settings))


def http_ports(settings: LocalSettings) -> dict[str, int]:
    """Return the port of each app's /healthz, /readyz and /metrics by the app's name, lowest first; 0 means none."""
    offsets = sorted((part.admin, part.name) for part in wanted_parts(settings) if part.admin is not None)
    return {name: _port(settings, offset) for offset, name in offsets}


def public_ports(settings: LocalSettings) -> dict[str, int]:
    """Return the ports for browsers besides that of the live page; none without the collector."""
    return {part.name: _port(settings, part.public) for part in wanted_parts(settings) if part.public}


def _port(settings: LocalSettings, offset: int) -> int:
    return settings.http_port + offset if settings.http_port else 0
