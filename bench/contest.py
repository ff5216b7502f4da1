"""One run of one contestant: started on the data, watched until its results are complete, then stopped.

A run counts if the results of all windows are in its output topic and equal what was expected. CPU time and memory are
those at the moment when the last result was read; the processor, which promises it, must also have committed to the end
of the input by then.
"""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cargo
import jvm
from clickstream_local.ports import free_port
from cluster import Cluster, decoded
from dataset import PARTITIONS, Dataset
from measure import Mark, Measured, Usage
from processor import counted_events, processor_command, start_processor
from workspace import BENCH, KEPT, PEERS_PYTHON, PYTHON

_START_TIMEOUT_S = 60.0
_MIN_EVENTS_PER_S = 4_000
"""Events per second below which a run is aborted."""

_POLL_MS = 50


class NotInstalled(Exception):
    """The contestant needs what this machine or this Python does not have."""


class RunFailed(Exception):
    """The contestant ended, took too long, or had wrong results."""


@dataclass(frozen=True)
class Contestant:
    """`letter` as in the table, what it is, and the command that starts it."""

    letter: str
    name: str
    command: Callable[[], list[str | Path]]
    note: str = ""
    exact: bool = True
    """Whether its windows can be compared; otherwise only the number of events is."""

    package: str = ""
    """The package of .venv-bench that it needs, if any."""

    program: str = ""
    """The program that builds it, if any."""

    slow: bool = False
    """Whether it gets a tenth of the events, or else most of the time would be spent on waiting for it."""

    counting: str = ""
    """Of the processor: its setting COUNTING."""


def _with_apps(script: str) -> Callable[[], list[str | Path]]:
    return lambda: [PYTHON, BENCH / "contestants" / script]


def _with_peers(script: str) -> Callable[[], list[str | Path]]:
    return lambda: [PEERS_PYTHON, BENCH / "contestants" / script]


_COMPLETE = "complete: exactly once, recovers"
_IN_MEMORY = "maps in memory, no recovery"
CONTESTANTS = (
    Contestant("a", "Clickstream, native", processor_command, _COMPLETE, counting="native"),
    Contestant("ap", "Clickstream, Python", processor_command, _COMPLETE, counting="python"),
    Contestant("b", "kstreams loop", _with_apps("plain_loop.py"), "clock windows, only sums", False),
    Contestant("c", "Quix loop", _with_peers("quix_loop.py"), _IN_MEMORY, package="quixstreams"),
    Contestant(
        "cw",
        "Quix windows",
        _with_peers("quix_windows.py"),
        "its windows, by user; recovers",
        package="quixstreams",
        slow=True,
    ),
    Contestant("d", "Bytewax fold", _with_peers("bytewax_fold.py"), "its windows, no recovery", package="bytewax"),
    Contestant("dl", "Bytewax loop", _with_peers("bytewax_loop.py"), _IN_MEMORY, package="bytewax"),
    Contestant("e", "Faust loop", _with_peers("faust_loop.py"), _IN_MEMORY, package="faust-streaming", slow=True),
    Contestant("f", "Kafka Streams", jvm.prepare, f"JVM, one thread; {_IN_MEMORY}"),
    Contestant("g", "Rust loop", cargo.prepare, f"rdkafka, sonic-rs, one thread; {_IN_MEMORY}", program="cargo"),
)


@dataclass(frozen=True)
class Run:
    """What a run used: at its start, when the first and half of the events were counted, and at its end."""

    events: int
    started: Usage
    marks: tuple[Mark, ...]
    ended: Usage

    @property
    def cpu(self) -> float:
        """CPU seconds of the whole run, start-up included."""
        return self.ended.cpu - self.started.cpu

    @property
    def wall(self) -> float:
        """Seconds from the first record to the last result."""
        return self.ended.wall - self.marks[0].usage.wall

    @property
    def rate(self) -> float:
        """Events per CPU second of the whole run."""
        return self.events / self.cpu

    @property
    def warm_rate(self) -> float:
        """Events per CPU second of what came after about half of the events."""
        half = self.marks[-1]
        return (self.events - half.events) / (self.ended.cpu - half.usage.cpu)


def run(contestant: Contestant, cluster: Cluster, dataset: Dataset, source: str) -> Run:
    """Run the contestant once on the topic `source`. Raises RunFailed, and NotInstalled when it cannot run here."""
    if contestant.counting == "native" and find_spec("clickstream_native") is None:
        raise NotInstalled("its wheel is not installed: make native")
    if contestant.program and shutil.which(contestant.program) is None:
        raise NotInstalled(f"{contestant.program} is not installed")
    if contestant.package:
        ask = f"import importlib.metadata; importlib.metadata.version({contestant.package!r})"
        if subprocess.run([PEERS_PYTHON, "-c", ask], stderr=subprocess.DEVNULL, check=False).returncode:
            raise NotInstalled(f"{contestant.package} has no wheel for this Python")
    return (
        _run_processor(contestant, cluster, dataset, source)
        if contestant.counting
        else _run_peer(contestant, cluster, dataset, source)
    )


def _run_processor(contestant: Contestant, cluster: Cluster, dataset: Dataset, source: str) -> Run:
    pipeline, port = cluster.pipeline(source), free_port()
    over = threading.Event()
    with start_processor(cluster, pipeline, port, WINDOW_SIZE="30s", COUNTING=contestant.counting) as process:
        watcher = threading.Thread(target=_watch, args=(process, port, dataset.events // 2, over))
        watcher.start()
        try:
            ended = _await_results(process, cluster, dataset, pipeline.metrics, exact=True)
            while cluster.lag(pipeline.group_id, source):
                ended = process.usage()
            result = _finished(process, dataset, ended)
        finally:
            over.set()
            watcher.join()
    cluster.delete_pipeline(pipeline)
    return result


def _watch(process: Measured, port: int, half: int, over: threading.Event) -> None:
    """Mark the processor's first event and the first look at which half of them were counted."""
    for due in (1, half):
        while (counted := counted_events(port)) < due:
            if over.wait(0.2):
                return
        process.mark(counted)


def _run_peer(contestant: Contestant, cluster: Cluster, dataset: Dataset, source: str) -> Run:
    sink = cluster.output()
    state = KEPT / "state" / sink
    environ = {
        "BENCH_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BENCH_SOURCE": source,
        "BENCH_SINK": sink,
        "BENCH_GROUP_ID": sink,
        "BENCH_STATE_DIR": str(state),
        "BENCH_EVENTS": str(dataset.events if contestant.exact else dataset.records),
    }
    log = KEPT / "logs" / f"{contestant.letter}.log"
    try:
        command = contestant.command()
    except subprocess.CalledProcessError as error:
        raise RunFailed(f"it can't be built, see above: status {error.returncode} of {error.cmd[0]}") from error
    with Measured(command, log=log, environ=environ) as process:
        ended = _await_results(process, cluster, dataset, sink, exact=contestant.exact)
        result = _finished(process, dataset, ended)
    cluster.delete_output(sink)
    shutil.rmtree(state, ignore_errors=True)
    return result


def _finished(process: Measured, dataset: Dataset, ended: Usage) -> Run:
    """What the process has used. Raises RunFailed when its half time was not seen."""
    marks = tuple(process.marks)
    if len(marks) < 2 or marks[-1].events >= dataset.events or marks[-1].usage.cpu >= ended.cpu:
        raise RunFailed(f"half of the events was not seen to be done, only {marks}: use more --events")
    return Run(dataset.events, process.started, marks, ended)


def _await_results(process: Measured, cluster: Cluster, dataset: Dataset, topic: str, *, exact: bool) -> Usage:
    """Return what the process had used when its last result was there. Raises RunFailed."""
    deadline = process.started.wall + _START_TIMEOUT_S + dataset.events / _MIN_EVENTS_PER_S
    found: dict[str, dict[str, Any]] = {}
    with cluster.reader(topic) as consumer:
        while True:
            for record in decoded(consumer.poll(timeout_ms=_POLL_MS)):
                result = json.loads(record.value)
                found[result["window_start"]] = result
            usage = process.usage()
            if exact and found.keys() >= dataset.expected.keys():
                _compare(found, dataset)
                return usage
            if not exact and sum(result["total_events"] for result in found.values()) == dataset.records:
                return usage
            if process.exit_status is not None:
                raise RunFailed(f"ended with status {process.exit_status}:\n{process.last_lines()}")
            if usage.wall > deadline:
                raise RunFailed(f"{len(found)} of {len(dataset.expected)} windows in time:\n{process.last_lines()}")


def _compare(found: dict[str, dict[str, Any]], dataset: Dataset) -> None:
    for start, expected in dataset.expected.items():
        result = {name: value for name, value in found[start].items() if name in expected}
        if result != expected:
            raise RunFailed(f"window {start}: expected {expected}, found {found[start]}")


def describe_records(dataset: Dataset) -> str:
    """The input in one line."""
    size = dataset.lines.stat().st_size / dataset.events
    shape = f"{PARTITIONS} partitions, {len(dataset.expected)} windows"
    return f"{dataset.events:,} events of about {size:.0f} bytes in {shape}"
