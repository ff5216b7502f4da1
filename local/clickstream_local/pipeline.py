"""The apps as processes: their start, the watch over them, and their end.

The dashboard has the terminal; the output of the others goes to their logs. All are watched until the user stops them
or one ends that should not. A producer may end (it was stopped by hand, or DURATION is over): the last window is still
to come.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.shutdown import StopRequest
from clickstream_local.children import Child
from clickstream_local.errors import ChildDied
from clickstream_local.parts import wanted_parts
from clickstream_local.settings import LocalSettings

_POLL_S = 0.2
_STOP_GRACE_S = 15.0
"""How long an app may take to end before it is killed. The apps promise 10 s, also when Kafka is gone."""
_DASHBOARD = "consumer"


@dataclass(frozen=True)
class AppCommand:
    """How to start an app; the one in the `foreground` gets the terminal."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    foreground: bool = False


def app_commands(settings: LocalSettings, environ: Mapping[str, str]) -> list[AppCommand]:
    """The apps with their settings, in the order of their start."""
    # GROUP_ID means a group of its own in each app; given to all of them it would be one group with three purposes.
    shared = {name: value for name, value in environ.items() if name != "GROUP_ID"}
    shared["PYTHONUNBUFFERED"] = "1"
    shared |= {"HTTP_HOST": settings.http_host, "HTTP_ALLOWED_HOSTS": ",".join(settings.allowed_hosts())}
    return [
        AppCommand(
            part.name,
            (sys.executable, "-m", f"clickstream_{part.name}.main"),
            {**shared, **part.environ(settings), **part.ports(settings)},
            foreground=part.name == _DASHBOARD,
        )
        for part in wanted_parts(settings)
    ]


def start(app: AppCommand, logs: Path) -> Child:
    """Start one app; its log is <logs>/<name>.log."""
    log = logs / f"{app.name}.log"
    return Child(app.name, app.command, log=log, environ=app.environ, foreground=app.foreground)


def watch(children: Sequence[Child], stop: StopRequest) -> None:
    """Return when a stop is requested; raise ChildDied, with the end of its log, when one of the children ends."""
    while not stop.wait(_POLL_S):
        for child in children:
            if child.running or (child.name == "producer" and child.exit_status == 0):
                continue
            raise ChildDied(
                f"{child.name} ended ({child.describe_end()}), so everything is stopped. "
                f"The end of {child.log}:\n{child.last_lines() or '(it is empty)'}"
            )


def stop_apps(children: Sequence[Child], report: Callable[[str], None]) -> None:
    """End the apps, the one that was started last first."""
    for child in reversed(children):
        if child.name != _DASHBOARD:
            report(f"Stopping {child.name}")
        child.stop(_STOP_GRACE_S)
