"""All brokers that the apps know are gone, and the bootstrap address leads to others: each app finds them within 60 s.

The broker starts again on the same data with another address, as when a node pool is replaced. Whether
another program has taken its old address must make no difference.
"""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.collector import Collector, start_collector
from kit.events import event_value
from kit.moving import Entrance, Stranger
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import sample, start_processor
from kit.topics import create_topics, read_all

PROMISED_SECONDS = 60
MARGIN_SECONDS = 15  # the tests' machine is busy
RESULTS = "clickstream_consumer_results_total"
ACKNOWLEDGED = "clickstream_producer_events_acknowledged_total"


def clicked(collector: Collector) -> str:
    """Send an event; return its id when it was answered with 200."""
    event_id = str(uuid.uuid4())
    status = collector.ingest(event_value(datetime.now(UTC), event_id=event_id))
    return event_id if status == 200 else ""


@pytest.mark.parametrize(
    "at_the_old_address",
    [
        pytest.param(lambda port: nullcontext(), id="nothing"),
        pytest.param(Stranger, id="one-who-says-nothing"),
        pytest.param(lambda port: Stranger(port, b"\0\0\0\x10HTTP/1.1 400 Bad"), id="one-who-talks-nonsense"),
    ],
)
def test_brokers_that_moved_are_found_by_every_app_without_loss(
    tmp_path: Path,
    java: Path,
    jars: tuple[Path, ...],
    apps: Apps,
    at_the_old_address: Callable[[int], AbstractContextManager[object]],
) -> None:
    data = tmp_path / "kafka"
    after = Broker(data, java=java, jars=jars, port=free_port())
    with Broker(data, java=java, jars=jars) as before, Entrance(before.port) as entrance:
        topics = replace(create_topics(before.bootstrap_servers), bootstrap_servers=entrance.bootstrap_servers)
        processor = start_processor(apps, topics, WINDOW_SIZE="2s", ALLOWED_LATENESS="5m")
        dashboard = apps.start("clickstream_consumer.main", environ={**topics.environ, "GROUP_ID": "dashboard"})
        collector = start_collector(apps, topics, LIMIT="off", VISITOR_SECRET="a secret of the tests")
        producer = apps.start("clickstream_producer.main", environ=topics.environ, RATE="20")
        for app in (processor, dashboard, producer):
            app.wait_until_ready(60)
        answered: list[str] = []

        def a_click_is_answered() -> bool:
            answered.append(clicked(collector))
            return bool(answered[-1])

        assert a_click_is_answered()
        eventually(lambda: sample(dashboard, RESULTS) > 1, 60)

        before.kill()
        with at_the_old_address(before.port), after:
            entrance.leads_to = after.port
            moved_at = time.monotonic()
            shown, sent = sample(dashboard, RESULTS), sample(producer, ACKNOWLEDGED)
            goes_on: dict[str, Callable[[], object]] = {
                "collector": a_click_is_answered,
                "producer": lambda: sample(producer, ACKNOWLEDGED) > sent,
                "processor and dashboard": lambda: sample(dashboard, RESULTS) > shown + 1,
            }
            for name, condition in goes_on.items():
                left = moved_at + PROMISED_SECONDS + MARGIN_SECONDS - time.monotonic()
                eventually(condition, max(1, left), every=0.5)
                print(f"{name}: {time.monotonic() - moved_at:.1f} s")
            for app in (processor, dashboard, producer, collector.app):
                app.wait_until_ready(10)

            producer.stop()
            eventually(lambda: assert_equal_to_offline_count(topics, 2), 60, every=1)
            records = read_all(after.bootstrap_servers, topics.events)
            ids = Counter(json.loads(each.value or b"")["event_id"] for each in records)
            clicks = {each for each in answered if each}
            found = re.search(r"Events sent: +(\d+)", producer.output())
            assert found, producer.describe()
            assert clicks <= ids.keys(), "an event that was answered with 200 is lost"
            assert max(ids.values()) == 1, "an event was written twice"
            assert len(ids) >= int(found[1]) + len(clicks), "an event that the producer has counted is lost"
            for app in (processor, dashboard, collector.app):
                app.stop()
                assert "Traceback" not in app.output()
