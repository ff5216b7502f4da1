"""The apps as processes, and the watch over them: three, and with --collector the collector and its demo shop.

The dashboard has the terminal; what the others print goes to their logs. All are watched until the user stops them or
one ends that should not. A producer may end: it was stopped by hand, or DURATION is over; the last window is then still
to come.
"""

import ipaddress
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.durations import format_duration
from clickstream_core.listening import url_host
from clickstream_core.shutdown import StopRequest
from clickstream_local.children import Child
from clickstream_local.errors import ChildDied
from clickstream_local.settings import LocalSettings

_POLL_SECONDS = 0.2
_STOP_GRACE = 15.0
"""Seconds until an app that was asked to end is killed. The apps promise 10, also when Kafka is gone."""


@dataclass(frozen=True)
class AppCommand:
    """How an app is started; `foreground` for the one that gets the terminal."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    foreground: bool = False


def app_commands(settings: LocalSettings, environ: Mapping[str, str]) -> list[AppCommand]:
    """The apps with their settings, in the order of their start: the dashboard, which takes the screen, is the last."""
    # GROUP_ID means a group of its own in each app; given to all of them it would be one group with three purposes.
    shared = {name: value for name, value in environ.items() if name != "GROUP_ID"}
    shared["PYTHONUNBUFFERED"] = "1"
    shared |= {"HTTP_HOST": settings.http_host, "HTTP_ALLOWED_HOSTS": ",".join(settings.allowed_hosts())}
    ports = {name: str(port) for name, port in settings.http_ports().items()}
    public = {name: str(port) for name, port in settings.public_ports().items()}
    own: dict[str, dict[str, str]] = {
        "streams": {"WINDOW_SIZE": format_duration(settings.window_size), "HTTP_PORT": ports["streams"]}
    }
    if settings.rate:
        own["producer"] = {
            "RATE": f"{settings.rate:.15g}",
            "USERS": str(settings.users),
            "HTTP_PORT": ports["producer"],
            **({} if settings.seed is None else {"SEED": str(settings.seed)}),
        }
    if settings.collector:
        own["collector"] = {"HTTP_PORT": public["collector"], "ADMIN_PORT": ports["collector"]}
        # A shop that is reached by several addresses has its visitors' browsers ask for the collector at the same one.
        host = "*" if ipaddress.ip_address(settings.http_host).is_unspecified else url_host(settings.http_host)
        own["shop"] = {"SHOP_PORT": public["shop"], "COLLECTOR_URL": f"http://{host}:{public['collector']}"}
    own["consumer"] = {"DASHBOARD_LANGUAGE": settings.language, "HTTP_PORT": ports["consumer"]}
    return [
        AppCommand(name, (sys.executable, "-m", _module(name)), {**shared, **extra}, foreground=name == "consumer")
        for name, extra in own.items()
    ]


def _module(name: str) -> str:
    return "clickstream_local.shop" if name == "shop" else f"clickstream_{name}.main"


def start(app: AppCommand, logs: Path) -> Child:
    """Start one app; its log is <logs>/<name>.log."""
    log = logs / f"{app.name}.log"
    return Child(app.name, app.command, log=log, environ=app.environ, foreground=app.foreground)


def watch(children: Sequence[Child], stop: StopRequest) -> None:
    """Return when a stop is requested; raise ChildDied, with the end of its log, when one of the children ends."""
    while not stop.wait(_POLL_SECONDS):
        for child in children:
            if child.running or (child.name == "producer" and child.exit_status == 0):
                continue
            raise ChildDied(
                f"{child.name} ended ({child.describe_end()}), so everything is stopped. "
                f"The end of {child.log}:\n{child.last_lines() or '(it is empty)'}"
            )


def stop_apps(children: Sequence[Child], report: Callable[[str], None]) -> None:
    """End the dashboard, which gives the terminal back, then whoever writes events, then the processor."""
    order = ("consumer", "shop", "collector", "producer", "streams")
    for child in sorted(children, key=lambda child: order.index(child.name)):
        if child.name != "consumer":
            report(f"Stopping {child.name}")
        child.stop(_STOP_GRACE)
