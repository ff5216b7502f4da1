"""The archive's promise under fire: whatever is killed, away or full, each record is in the table exactly once.

`make chaos` runs it; CHAOS_FAULTS, CHAOS_SEED and CHAOS_RATE change it as they change the processor's run. `make test`
has the short round in tests/integration/test_archive_sink.py.
"""

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from chaos.load import Load
from clickstream_local.archive_place import seaweedfs_place
from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from clickstream_local.seaweedfs import SeaweedFS, find_weed
from kit.poll import eventually
from kit.sink import COMMIT_INTERVAL_MS, RawTable, Sink, assert_archived_exactly_once, everything
from kit.topics import create_topics

PARTITIONS = 6
EVENTS = 50_000
KILLS = 10
AWAY_S = 60.0
FULL_S = 30.0
DEADLINE_S = 300.0


class Storage:
    """A SeaweedFS that can be away, and whose disk can be full."""

    def __init__(self, folder: Path) -> None:
        s3_port, catalog_port = self.place_ports = free_port(), free_port()
        self.place = seaweedfs_place(s3_port, catalog_port)
        self._server = SeaweedFS(
            folder, executable=find_weed(), s3_port=s3_port, catalog_port=catalog_port, log=folder / "log"
        )
        self._filler = folder.parent / "filler"

    def __enter__(self) -> "Storage":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._child = self._server.launch()
        eventually(self._server.ready, 60, every=0.2)

    def stop(self) -> None:
        self._child.kill()

    def fill(self) -> None:
        """Take all the space that is left."""
        self._filler.write_bytes(b"")
        with suppress(OSError), self._filler.open("r+b") as file:
            while True:
                file.write(bytes(1 << 16))

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def bound(ports: tuple[int, ...]) -> Iterator[None]:
    """Keep ports from other programs; connections to them are refused."""
    with ExitStack() as sockets:
        for port in ports:
            held = sockets.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", port))
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which only root can have."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif("CHAOS_FAULTS" not in os.environ, reason="the long round: make chaos")
def test_no_fault_loses_or_doubles_a_record(
    own_broker: Broker,
    java: Path,
    connect_jars: Path,
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**9))
    rate = int(os.environ.get("CHAOS_RATE", "500"))
    print(f"\nCHAOS_SEED={seed} CHAOS_RATE={rate}", flush=True)
    draw = random.Random(seed)
    topics = create_topics(own_broker.bootstrap_servers, PARTITIONS)
    storage = Storage(small_disk / "seaweedfs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, storage.place.environ[name])
    with storage, Sink(tmp_path / "connect", topics, storage.place, java, connect_jars) as sink:
        table = RawTable(storage.place)

        def tend_for(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                sink.tend()
                time.sleep(0.2)

        def committed_since(commits: int) -> bool:
            sink.tend()
            return table.commits > commits

        def s3_away() -> None:
            storage.stop()
            with bound(storage.place_ports):  # or another test takes them
                tend_for(AWAY_S)
            storage.start()

        def disk_full() -> None:
            storage.fill()
            tend_for(FULL_S)
            storage.free()

        faults: list[Callable[[], None]] = [*[sink.kill] * KILLS, own_broker.restart, s3_away, disk_full]
        draw.shuffle(faults)
        with Load(topics, PARTITIONS, rate, seed) as load:
            for fault in faults:
                commits = table.commits
                eventually(partial(committed_since, commits), DEADLINE_S, every=0.3)
                tend_for(draw.uniform(0, 1.2 * COMMIT_INTERVAL_MS / 1000))
                print(f"{load.sent} events, {fault.__name__}", flush=True)
                fault()
            while load.sent < EVENTS:
                tend_for(1)
        expected = everything(topics)

        def all_archived() -> bool:
            sink.tend()
            assert table.count >= len(expected), f"{table.count} of {len(expected)}: {sink.said}\n{sink.log()}"
            return True

        eventually(all_archived, DEADLINE_S, every=1)
        rows = table.rows()
    print("\n".join(sink.said), flush=True)
    assert_archived_exactly_once(rows, expected, (topics.metrics, topics.dead_letters))
    assert len(expected) >= EVENTS
