"""How work scales with partitions: 1, 2, 3 and 6 replicas of the processor on the same events.

All replicas of a group are started at once on a topic that is full. Measured is the time after all of them are ready:
CPU time for an event, which should stay flat, and events per second of wall time, which can rise only as long as there
are cores (the broker takes its share of them too).

More replicas than cores share them in time slices of a few milliseconds, and each slice starts with a cache filled by
the others. So each number of replicas is measured twice: with the system's scheduling, and with slices of 100 ms
(SCHED_RR, if allowed). The difference is the cost of sharing a core, not of dividing the work.
"""

import argparse
import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from clickstream_local.ports import free_port
from cluster import Cluster, running_cluster
from dataset import PARTITIONS, Dataset, prepare
from measure import usage_of
from processor import counted_events, start_processor, wait_until_caught_up, wait_until_ready
from table import command, machine
from workspace import peers_are_missing


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU per event and speed by number of replicas.")
    parser.add_argument("--events", type=int, default=12_000_000, help="how many events (default 12000000)")
    parser.add_argument("--replicas", default="1,2,3,6", help="numbers of replicas (default 1,2,3,6)")
    parser.add_argument("--compression", choices=("none", "lz4"), default="lz4")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    dataset = prepare(chosen.events)
    turns = (False, True) if _may_have_long_turns() else (False,)
    rows = ["| replicas | turns | events | µs CPU / event | events / CPU s | events / s | s |", "|" + "---|" * 7]
    with running_cluster() as cluster:
        source = cluster.load(dataset, chosen.compression)
        for replicas in (int(number) for number in chosen.replicas.split(",")):
            for long_turns in turns:
                rows.append(_measure(cluster, dataset, source, replicas, long_turns=long_turns))
                print(rows[-1], flush=True)
    print(f"\n{command()}\n{machine()}\n\n" + "\n".join(rows))
    return 0


def _measure(cluster: Cluster, dataset: Dataset, source: str, replicas: int, *, long_turns: bool) -> str:
    pipeline = cluster.pipeline(source)
    ports = [free_port() for _ in range(min(replicas, PARTITIONS))]
    with ExitStack() as stack:
        started = [
            (stack.enter_context(start_processor(cluster, pipeline, port, WINDOW_SIZE="30s")), port) for port in ports
        ]
        for process, port in started:
            wait_until_ready(process, port)
        pids = [process.pid for process, _ in started]
        if long_turns:
            _give_long_turns(pids)
        before, ready = sum(counted_events(port) for port in ports), usage_of(*pids)
        wait_until_caught_up(cluster, pipeline, *(process for process, _ in started))
        ended = usage_of(*pids)
    cluster.delete_pipeline(pipeline)
    events, cpu, wall = dataset.records - before, ended.cpu - ready.cpu, ended.wall - ready.wall
    name = f"| {replicas} | {'100 ms' if long_turns else 'usual'} | {events:,}"
    if events < dataset.events // 4:
        return f"{name} | too few were left when all were ready: use more --events | | | |"
    per_event = f"{1e6 * cpu / events:.2f} | {events / cpu:,.0f}"
    return f"{name} | {per_event} | {events / wall:,.0f} | {wall:.1f} |"


def _may_have_long_turns() -> bool:
    usual = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:  # it takes root, and in a container the right to it
        return False
    os.sched_setscheduler(0, usual, os.sched_param(0))
    return True


def _give_long_turns(pids: list[int]) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # HTTP threads come and go
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


if __name__ == "__main__":
    sys.exit(main())
