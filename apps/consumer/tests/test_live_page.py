"""The page of real consumers on a real broker."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clickstream_core.timestamps import format_seconds
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_local.broker import Broker
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import sample
from kit.skipping import skip
from kit.topics import PipelineTopics, ToSend, committed, create_topics, send

_HALF_MINUTE = 30_000
_DAY = 2880
_TOTAL = "clickstream_consumer_window_total_events"
Publish = Callable[..., None]


@pytest.fixture
def publish(reference: WindowMetrics) -> Publish:
    """Writes results of half minutes to the metrics topic, the newest ending `newest` half minutes from now."""
    now = int(time.time()) * 1000 // _HALF_MINUTE * _HALF_MINUTE

    def publish(topics: PipelineTopics, windows: int = 1, newest: int = 0, **fields: Any) -> None:
        records = []
        for number in range(newest - windows + 1, newest + 1):
            end = now + number * _HALF_MINUTE
            bounds = {"window_start": format_seconds(end - _HALF_MINUTE), "window_end": format_seconds(end)}
            metrics = msgspec.structs.replace(reference, **(bounds | fields))
            key = metrics.window_start.encode()
            records.append(ToSend(encode_window_metrics(metrics), key, headers=topics.group_header))
        send(topics.bootstrap_servers, topics.metrics, records)

    return publish


def start(apps: Apps, topics: PipelineTopics, **settings: str) -> App:
    app = apps.start("clickstream_consumer.main", environ=topics.environ, **settings)
    app.wait_until_ready(60)
    return app


def windows(app: App, limit: int = 20160) -> list[dict[str, Any]]:
    status, body = app.get(f"/api/windows?limit={limit}")
    assert status == 200
    found = json.loads(body)["windows"]
    assert isinstance(found, list)
    return found


class Listener:
    """Reads /api/stream as it comes."""

    def __init__(self, app: App) -> None:
        self._socket = socket.create_connection(("127.0.0.1", app.http_port), timeout=40)
        self._socket.sendall(b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        self._file = self._socket.makefile("rb")

    def until(self, text: bytes) -> None:
        """Read on until a line holds the text."""
        while text not in (line := self._file.readline()):
            assert line, "the stream ended"

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[App], Listener]]:
    opened: list[Listener] = []

    def listen(app: App) -> Listener:
        opened.append(Listener(app))
        return opened[-1]

    yield listen
    for each in opened:
        each.close()


Listen = Callable[[App], Listener]


def test_every_replica_shows_all_windows_though_they_share_a_group(
    topics: PipelineTopics, apps: Apps, publish: Publish, listen: Listen
) -> None:
    publish(topics, 60)
    replicas = [start(apps, topics), start(apps, topics)]
    for app in replicas:
        eventually(lambda app=app: len(windows(app)) == 60, 30)  # type: ignore[misc]
    listeners = [listen(app) for app in replicas]
    for each in listeners:
        each.until(b'"ready"')
    publish(topics, 3, newest=3)
    publish(topics, revision=1, total_events=4444)
    for each, app in zip(listeners, replicas, strict=True):
        each.until(b'"total_events":4444')
        eventually(lambda app=app: len(windows(app)) == 63, 10)  # type: ignore[misc]
    # What the group has committed is what was shown since it exists: the page's reading left no trace there.
    shown = sum(app.output().count("📍 Partition:") for app in replicas)
    assert shown <= 4
    assert set(committed(topics.bootstrap_servers, topics.group_id, topics.metrics)) <= {0, 1, 2}
    for app in replicas:
        app.stop()


def test_after_a_restart_the_newest_windows_numbers_are_shown_though_the_group_has_read_them(
    topics: PipelineTopics, apps: Apps, publish: Publish, listen: Listen
) -> None:
    app = start(apps, topics)
    publish(topics, 4)
    publish(topics, revision=1, total_events=4444)
    eventually(lambda: "📍 Partition:" in app.output() and sample(app, _TOTAL) == 4444, 30)
    app.stop()
    again = start(apps, topics)
    eventually(lambda: sample(again, _TOTAL) == 4444, 30)
    assert "📍 Partition:" not in again.output()
    assert sample(again, "clickstream_consumer_results_total") == 0
    assert sample(again, "clickstream_consumer_kept_windows") == 4
    listener = listen(again)
    listener.until(b'"ready"')
    assert sample(again, "clickstream_consumer_open_pages") == 1
    publish(topics, newest=-1, revision=1, total_events=1)
    publish(topics, newest=1, total_events=77)
    eventually(lambda: sample(again, _TOTAL) == 77, 30)
    again.stop()


def test_the_page_survives_kafka(own_broker: Broker, apps: Apps, publish: Publish, listen: Listen) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    publish(topics, 5)
    app = start(apps, topics)
    eventually(lambda: len(windows(app)) == 5, 30)
    listener = listen(app)
    listener.until(b'"ready"')
    own_broker.stop()
    listener.until(b'"away"')
    assert len(windows(app)) == 5, "what came before is still shown"
    own_broker.start()
    listener.until(b'"ready"')
    publish(topics, newest=1, total_events=77)
    listener.until(b'"total_events":77')
    app.stop()


def test_200_browsers_and_a_day_of_windows_cost_little_memory(
    topics: PipelineTopics, apps: Apps, publish: Publish, listen: Listen
) -> None:
    if not Path("/proc/self/statm").exists():
        skip("only Linux has the memory of another process in /proc")
    publish(topics, _DAY)
    app = start(apps, topics, API_LIMIT="off")
    eventually(lambda: len(windows(app)) == _DAY, 60)
    loaded = _resident(app)
    listeners = [listen(app) for _ in range(200)]
    for each in listeners:
        each.until(b'"ready"')
    opened = _resident(app)
    for newest in range(120, _DAY + 1, 120):  # an hour at once, which is less than may wait for one browser
        publish(topics, 119, newest=newest - 1)
        publish(topics, newest=newest, total_events=newest)
        for each in listeners:
            each.until(b'"total_events":%d,' % newest)
    followed = _resident(app)
    print(f"resident: {loaded:.1f} MB with 2,880 windows, {opened:.1f} MB with 200 browsers, {followed:.1f} MB then")
    assert opened - loaded < 15
    assert followed - opened < 10, "2,880 more windows are kept, 0.8 kB each"
    assert sample(app, "clickstream_consumer_open_pages") == 200
    assert sample(app, "clickstream_consumer_dropped_pages_total") == 0
    app.stop()


def _resident(app: App) -> float:
    pages = int(Path(f"/proc/{app.child.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
