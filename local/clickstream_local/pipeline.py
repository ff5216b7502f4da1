"""Starts, watches and stops the apps, each a process.

The dashboard uses the terminal; the others write to their logs. The watch ends when the user stops them, or when one
ends that should not. Only the producer may end (it was stopped by hand, or DURATION has passed): the last window is
still to come.
"""

import re
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
"""Until an app is killed. The apps promise to stop within 10 s, even without Kafka."""
_DASHBOARD = "consumer"
_OWN = re.compile(
    "GROUP_ID|(DATABASE|REDIS|ADMIN)_.*|SCENARIOS_FOLDER|(RESULTS|CHECKPOINTS)_TO|SPARK_JARS|ACCESS_LOG_FILE"
)
"""Variables that an app does not get from the environment: they have a value of their own here, or none.

With one GROUP_ID for all, unrelated consumers would share a group.
"""


@dataclass(frozen=True)
class AppCommand:
    """How to start an app; the `foreground` one gets the terminal."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    foreground: bool = False


def app_commands(settings: LocalSettings, environ: Mapping[str, str], *, kept: bool = False) -> list[AppCommand]:
    """Return the apps with their settings, in the order of their start: those that are kept running, or the others."""
    shared = {name: value for name, value in environ.items() if not _OWN.fullmatch(name)}
    shared["PYTHONUNBUFFERED"] = "1"
    shared["HTTP_ALLOWED_HOSTS"] = ",".join(settings.allowed_hosts())
    return [
        AppCommand(
            part.name,
            (sys.executable, "-m", part.module or f"clickstream_{part.name}.main"),
            {**shared, "HTTP_HOST": part.host(settings), **part.environ(settings), **part.ports(settings)},
            foreground=part.name == _DASHBOARD,
        )
        for part in wanted_parts(settings)
        if part.kept == kept
    ]


def start(app: AppCommand, logs: Path) -> Child:
    """Start one app; its log is <logs>/<name>.log."""
    log = logs / f"{app.name}.log"
    return Child(app.name, app.command, log=log, environ=app.environ, foreground=app.foreground)


def watch(children: Sequence[Child], stop: StopRequest, tend: Callable[[], None] = lambda: None) -> None:
    """Return when a stop is requested; raise ChildDied with the end of its log if one of the children ends.

    `tend` is called again and again: it starts again what may end.
    """
    while not stop.wait(_POLL_S):
        tend()
        for child in children:
            if child.running or (child.name == "producer" and child.exit_status == 0):
                continue
            raise ChildDied(
                f"{child.name} ended ({child.describe_end()}), so everything is stopped. "
                f"The end of {child.log}:\n{child.last_lines() or '(it is empty)'}"
            )


def stop_apps(children: Sequence[Child], report: Callable[[str], None]) -> None:
    """Stop the apps, the last one started first."""
    for child in reversed(children):
        if child.name != _DASHBOARD:
            report(f"Stopping {child.name}")
        child.stop(_STOP_GRACE_S)
