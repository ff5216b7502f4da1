"""What --local starts besides Kafka, Prometheus and the stores: an entry for each app and one for the demo shop.

They are started in this order and stopped in reverse: first the dashboard, which frees the terminal, then the writers
of events, then the processor. The parts of --scenarios are `kept`: they are started before the others, and started
again when they end.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from clickstream_core.durations import format_duration
from clickstream_core.listening import LOOPBACK, url_host
from clickstream_local.jars import SPARK
from clickstream_local.settings import LocalSettings
from clickstream_local.valkey import redis_url


@dataclass(frozen=True)
class Part:
    """A process: its name, its own settings, and whether the options include it (`wanted`).

    Ports are offsets from HTTP_PORT: `admin` serves /healthz, /readyz and /metrics, `public` is for browsers. `page` is
    the title in the banner of a page on the public port (without one, on the other), and the path to open there.
    `module` is what runs, by default that of the app with this name. `alone` is whether it listens on 127.0.0.1
    whatever --listen says.
    """

    name: str
    environ: Callable[[LocalSettings], Mapping[str, str]]
    wanted: Callable[[LocalSettings], bool] = lambda settings: True
    admin: int | None = None
    public: int | None = None
    page: tuple[str, str] = ("", "")
    module: str = ""
    kept: bool = False
    alone: bool = False

    def ports(self, settings: LocalSettings) -> dict[str, str]:
        """Return the port settings: an app with a port for browsers serves health and metrics on ADMIN_PORT."""
        if self.public is None:
            return {"HTTP_PORT": str(_port(settings, self.admin or 0))}
        admin = {} if self.admin is None else {"ADMIN_PORT": str(_port(settings, self.admin))}
        return {"HTTP_PORT": str(_port(settings, self.public)), **admin}

    def host(self, settings: LocalSettings) -> str:
        """Return the address that it listens on."""
        return LOOPBACK if self.alone else settings.http_host


def _producer(settings: LocalSettings) -> Mapping[str, str]:
    return {**_load(settings), "KIND": settings.kind}


def _load(settings: LocalSettings) -> dict[str, str]:
    seed = {} if settings.seed is None else {"SEED": str(settings.seed)}
    return {"RATE": f"{settings.rate:.15g}", "USERS": str(settings.users), **seed}


def _shop(settings: LocalSettings) -> Mapping[str, str]:
    # If the shop has several addresses, browsers must find the collector at the one that they use for the shop.
    host = "*" if ipaddress.ip_address(settings.http_host).is_unspecified else url_host(settings.http_host)
    ports = public_ports(settings)
    return {"SHOP_PORT": str(ports["shop"]), "COLLECTOR_URL": f"http://{host}:{ports['collector']}"}


def scenario_stores(settings: LocalSettings) -> dict[str, str]:
    """Return where the scenarios' apps find their database and Redis."""
    file = scenarios_folder(settings) / "scenarios.db"
    return {"DATABASE_URL": f"sqlite:///{quote(str(file))}", "REDIS_URL": redis_url(settings.redis_port)}


def scenarios_folder(settings: LocalSettings) -> Path:
    """Return the folder of the scenarios' data: the database, results, and Valkey's file."""
    return settings.directory.resolve() / "scenarios"


def results_folder(settings: LocalSettings) -> Path:
    """Return the folder to which the statistics job writes results, and how far it is."""
    return scenarios_folder(settings) / "results"


def _requests(settings: LocalSettings) -> Mapping[str, str]:
    log = settings.directory.resolve() / "logs" / "access.log"
    return {**_load(settings), "KIND": "access-log", "ACCESS_LOG_FILE": str(log)}


def _statistics(settings: LocalSettings) -> Mapping[str, str]:
    jars = SPARK.folder(settings.directory.resolve() / "spark")
    places = {"RESULTS_TO": str(results_folder(settings)), "SPARK_JARS": str(jars)}
    return {"REDIS_URL": redis_url(settings.redis_port), **places}


PARTS = (
    Part("statistics", _statistics, lambda settings: settings.scenarios, admin=22, kept=True),
    Part("scenarios", scenario_stores, lambda settings: settings.scenarios, admin=21, kept=True),
    Part(
        "scenarios-admin",
        lambda settings: {**scenario_stores(settings), "ADMIN_SIGN_IN": "none"},
        lambda settings: settings.scenarios,
        admin=20,
        page=("Scenarios, to watch and to edit", ""),
        module="clickstream_scenarios.admin",
        kept=True,
        alone=True,
    ),
    Part(
        "generator",
        _requests,
        lambda settings: settings.scenarios and settings.rate > 0,
        admin=23,
        module="clickstream_producer.main",
        kept=True,
    ),
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
    Part("consumer", lambda settings: {"DASHBOARD_LANGUAGE": settings.language}, admin=0, page=("Live page", "")),
)


def wanted_parts(settings: LocalSettings) -> tuple[Part, ...]:
    """Return those that the options include, in the order of their start."""
    return tuple(part for part in PARTS if part.wanted(settings))


def http_ports(settings: LocalSettings) -> dict[str, int]:
    """Return the port of each app's /healthz, /readyz and /metrics by the app's name, lowest first; 0 means none."""
    return {part.name: _port(settings, part.admin) for part in _serving(settings) if part.admin is not None}


def http_addresses(settings: LocalSettings) -> dict[str, str]:
    """Return the address (host:port) of each app's /healthz, /readyz and /metrics by its name; none without ports."""
    ports = http_ports(settings)
    return {
        part.name: f"{url_host(part.host(settings))}:{ports[part.name]}"
        for part in _serving(settings)
        if ports[part.name]
    }


def public_ports(settings: LocalSettings) -> dict[str, int]:
    """Return the ports for browsers besides those of the pages that have health and metrics beside them."""
    return {part.name: _port(settings, part.public) for part in wanted_parts(settings) if part.public}


def pages(settings: LocalSettings) -> list[tuple[str, str]]:
    """Return title and address of each page; none without HTTP ports."""
    if not settings.http_port:
        return []
    found = []
    for part in sorted(wanted_parts(settings), key=lambda part: part.name != "consumer"):
        title, path = part.page
        if title:
            port = _port(settings, (part.admin if part.public is None else part.public) or 0)
            found.append((title, f"http://{url_host(part.host(settings))}:{port}/{path}"))
    return found


def _serving(settings: LocalSettings) -> list[Part]:
    serving = [part for part in wanted_parts(settings) if part.admin is not None]
    return sorted(serving, key=lambda part: part.admin or 0)


def _port(settings: LocalSettings, offset: int) -> int:
    return settings.http_port + offset if settings.http_port else 0
