"""How many requests a second a collector answers, each after Kafka has acknowledged its events.

Compared are the collector as it is (Granian), the same application on uvicorn, and the obvious endpoint: FastAPI with
one awaited send for each event. The measured process has a core of its own; the load (wrk, from Debian's packages) and
the broker share the others. Limits are off. Answers other than 2xx would fail the run, and the number of records in the
topic is compared with that of the events answered.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickstream_local.ports import free_port
from cluster import Cluster, Pipeline, running_cluster
from measure import Measured
from slow_clients import open_slow_connections
from table import command, machine
from workspace import BENCH, KEPT, PEERS_PYTHON, PYTHON, peers_are_missing

_BATCH = 50
_CORE = 0
_CONNECTIONS = 64
_SLOW = 10_000
_HALF_LOAD_PAUSE = 22
"""Milliseconds between the requests of each of 64 connections: some 2,000 requests a second."""


@dataclass(frozen=True)
class Contestant:
    """`command` returns the command line for a port."""

    name: str
    command: Callable[[int], Sequence[str | Path]]


@dataclass(frozen=True)
class Load:
    """What wrk measured: latencies are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu: float


# The apps are in .venv, uvicorn is in .venv-bench; where both have a package, that of the first counts.
_UVICORN = "import sys; sys.path += sys.argv.pop(1).split(','); from uvicorn.main import main; main()"


def _uvicorn(app: str, port: int, *, ours: bool) -> Sequence[str | Path]:
    python = PYTHON if ours else PEERS_PYTHON
    peers = next(PEERS_PYTHON.parent.parent.glob("lib/python3*/site-packages")) if ours else ""
    return (
        *(python, "-c", _UVICORN, str(peers), app, "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--log-level", "warning", "--no-access-log"),
    )


COLLECTOR = Contestant("the collector (Granian)", lambda port: (PYTHON.parent / "clickstream-collector",))
CONTESTANTS = (
    COLLECTOR,
    Contestant("the same on uvicorn", lambda port: _uvicorn("clickstream_collector.asgi:app", port, ours=True)),
    Contestant("FastAPI, one send per event", lambda port: _uvicorn("collect_fastapi:app", port, ours=False)),
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compares collectors.")
    parser.add_argument("--seconds", type=int, default=10, help="how long each load lasts (default 10)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed: apt install wrk")
    singles, batches = [], []
    with running_cluster() as cluster:
        os.sched_setaffinity(cluster.broker.child.pid, _others())
        for contestant in CONTESTANTS:
            singles.append(_row(contestant, 1, _measure(cluster, contestant, 1, chosen.seconds)))
            batches.append(_row(contestant, _BATCH, _measure(cluster, contestant, _BATCH, chosen.seconds)))
            print(singles[-1], batches[-1], sep="\n", flush=True)
        half = _measure(cluster, COLLECTOR, 1, chosen.seconds, pause=_HALF_LOAD_PAUSE)
        half_batches = _measure(cluster, COLLECTOR, _BATCH, chosen.seconds, pause=100)
        memory = _memory(cluster)
    heads = "| | requests / s | events / s | events / CPU s | p50 ms | p99 ms |\n|---|---|---|---|---|---|"
    print(f"\n{command()}\n{machine()}\n\nOne event a request, {_CONNECTIONS} connections:\n\n{heads}")
    print("\n".join(singles), f"\n{_BATCH} events a request:\n\n{heads}", *batches, sep="\n")
    print(
        f"\nAbout half of that load: {half.requests / half.seconds:,.0f} requests/s of one event, p50 {half.p50:.0f},"
    )
    print(
        f"p99 {half.p99:.0f} ms; {half_batches.requests * _BATCH / half_batches.seconds:,.0f} events/s in batches,"
        f" p50 {half_batches.p50:.0f} ms, p99 {half_batches.p99:.0f} ms"
    )
    print(memory)
    return 0


def _measure(cluster: Cluster, contestant: Contestant, events: int, seconds: int, pause: int = 0) -> Load:
    with _running(cluster, contestant) as (process, port, pipeline):
        _run_wrk(port, events, 2, pause, _CONNECTIONS)  # warm
        before, records = process.usage(), sum(cluster.ends(pipeline.events).values())
        told = _run_wrk(port, events, seconds, pause, _CONNECTIONS)
        cpu = process.usage().cpu - before.cpu
        if told["failed"]:
            raise SystemExit(f"{contestant.name}: {told['failed']} requests failed; {process.last_lines()}")
        arrived = sum(cluster.ends(pipeline.events).values()) - records
        # wrk leaves requests unanswered, at the end of the warm-up too; their events may have arrived as well.
        if not told["requests"] * events <= arrived <= (told["requests"] + 2 * _CONNECTIONS) * events:
            raise SystemExit(f"{contestant.name}: {arrived} records for {told['requests']} requests of {events}")
    return Load(int(told["requests"]), told["seconds"], told["p50"], told["p99"], cpu)


@contextmanager
def _running(cluster: Cluster, contestant: Contestant) -> Iterator[tuple[Measured, int, Pipeline]]:
    pipeline, port, admin_port = cluster.pipeline(), free_port(), free_port()
    environ = {
        **cluster.environ(pipeline),
        "HTTP_PORT": str(port),
        "ADMIN_PORT": str(admin_port),
        "LIMIT": "off",
        "PYTHONPATH": str(BENCH / "contestants"),
    }
    pinned = ("taskset", "-c", str(_CORE), *contestant.command(port))
    with Measured(pinned, log=KEPT / "collecting.log", environ=environ) as process:
        _wait_until_it_takes_events(process, port)
        yield process, port, pipeline
    cluster.delete_pipeline(pipeline)


def _wait_until_it_takes_events(process: Measured, port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ingest",
        data=json.dumps({"user_id": "warm", "page_url": "/"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            if process.exit_status is not None:
                break
            time.sleep(0.1)
    raise SystemExit(f"it does not take events:\n{process.last_lines()}")


def _run_wrk(port: int, events: int, seconds: int, pause: int, connections: int) -> dict[str, float]:
    told = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"),
            *("-s", str(BENCH / "load" / "events.lua"), f"http://127.0.0.1:{port}"),
        ],
        env={**os.environ, "EVENTS": str(events), "PAUSE": str(pause)},
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, _others()),
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def _memory(cluster: Cluster) -> str:
    """Resident memory at rest, under 1,000 connections that are kept alive, and under 10,000 slow ones."""
    with _running(cluster, COLLECTOR) as (process, port, _):
        rest = process.usage().peak_bytes
        _run_wrk(port, 1, 10, 0, 1000)
        busy = process.usage().peak_bytes
        with open_slow_connections(port, _SLOW) as opened:
            slow = process.usage().peak_bytes
        if opened < _SLOW:
            raise SystemExit(f"only {opened} of {_SLOW} slow connections could be opened")
    return (
        f"Memory: {rest >> 20} MiB at rest, at most {busy >> 20} MiB under 1,000 busy keep-alive connections, "
        f"{slow >> 20} MiB with {_SLOW:,} slow ones"
    )


def _others() -> set[int]:
    cores = os.sched_getaffinity(0)
    return cores - {_CORE} or cores


def _row(contestant: Contestant, events: int, load: Load) -> str:
    rate, every = load.requests / load.seconds, load.requests * events
    return (
        f"| {contestant.name} | {rate:,.0f} | {every / load.seconds:,.0f} | {every / load.cpu:,.0f} |"
        f" {load.p50:.0f} | {load.p99:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
