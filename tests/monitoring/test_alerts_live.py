"""Alerts fire when the real pipeline is in trouble, and are silent before and after.

A real broker, the real apps and a real Prometheus, under the names of production; only the rules' times are shortened.
The lag is the broker's own, in the form of the Kafka exporter.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from clickstream_local.broker import Broker
from clickstream_local.prometheus import ALERTS, Prometheus, rule_file
from clickstream_local.topics import clickstream_topics, create_missing
from kit.collector import Collector, start_collector
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import sample, windows_announced
from kit.prometheus import Served, firing, monitoring_tool, query, running_prometheus, serving
from kit.topics import PipelineTopics, ToSend, create_topics, lag, send

_WINDOW_SECONDS = 5
_SHORT = {
    "WINDOW_SIZE": f"{_WINDOW_SECONDS}s",
    "OUT_OF_ORDERNESS": "1s",
    "IDLE_TIMEOUT": "2s",
    "COMMIT_INTERVAL": "500ms",
    "ALLOWED_LATENESS": "10s",
}
_PROVOKED = {"ClickstreamDeadLetters", "ClickstreamGroupLag", "ClickstreamNoWindow"}
_COLLECTOR = {f"ClickstreamCollector{each}" for each in ("Errors", "Limited", "NotReady", "Slow", "Unacknowledged")}
_AWAY = {f"ClickstreamCollector{each}" for each in ("Errors", "NotReady", "Unacknowledged")}
_DEADLINE = 90.0


def test_lag_no_window_and_dead_letters_are_noticed(apps: Apps, own_broker: Broker, tmp_path: Path) -> None:
    monitoring_tool("prometheus")
    topics = _production_topics(own_broker)
    streams = _start(apps, topics, "streams", **_SHORT)
    consumer = _start(apps, topics, "consumer")
    for each in (streams, consumer):
        each.wait_until_ready(60)
    producer = _start(apps, topics, "producer", RATE="50")
    exporter = Served("")
    with contextlib.ExitStack() as stack:
        targets = {"kafka-exporter": stack.enter_context(serving(exporter))}
        for name, app in {"streams": streams, "consumer": consumer, "producer": producer}.items():
            targets[name] = f"127.0.0.1:{app.http_port}"
        rules = _with_short_times(rule_file(ALERTS.read_text(encoding="utf-8")))
        prometheus = stack.enter_context(running_prometheus(tmp_path, targets, rules=rules))

        def these_fire(expected: set[str]) -> bool:
            exporter.text = _as_the_exporter_tells_it(topics)
            found = firing(prometheus) & _PROVOKED
            assert found == expected, f"{sorted(found)} fire, not {sorted(expected)}"
            return True

        consumer.wait_for_output("CLICKSTREAM METRICS", 60)
        eventually(lambda: these_fire(set()), _DEADLINE)

        send(topics.bootstrap_servers, topics.events, [ToSend(b"not json")] * 300)
        eventually(lambda: these_fire({"ClickstreamDeadLetters"}), _DEADLINE)

        streams.kill()
        eventually(lambda: these_fire({"ClickstreamGroupLag", "ClickstreamNoWindow"}), _DEADLINE)

        again = apps.start(
            "clickstream_streams.main", environ={**topics.environ, **_SHORT, "HTTP_PORT": str(streams.http_port)}
        )
        again.wait_until_ready(60)
        eventually(lambda: these_fire(set()), _DEADLINE)


def _merging(replicas: list[App]) -> App:
    """The replica that announces the next window."""
    before = [len(windows_announced(each)) for each in replicas]

    def announced() -> list[App]:
        return [each for each, count in zip(replicas, before, strict=True) if len(windows_announced(each)) > count]

    return eventually(announced, 60)[0]


def _production_topics(broker: Broker) -> PipelineTopics:
    names = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, clickstream_topics(*names))
    return PipelineTopics(broker.bootstrap_servers, *names, group_id="clickstream-processor")


def _start(apps: Apps, topics: PipelineTopics, app: str, **settings: str) -> App:
    environ = {name: value for name, value in topics.environ.items() if name != "GROUP_ID"}
    return apps.start(f"clickstream_{app}.main", environ=environ, **settings)


def _with_short_times(rules: str) -> str:
    """Minutes become seconds."""
    for pattern, replacement, least in (
        (r"\[5m\]|\[30m\]", "[15s]", 16),
        (r"offset 5m|offset 10m", "offset 15s", 3),
        (r"window_size:seconds, 30\)", "window_size:seconds, 1)", 1),
        (r"/ 300\b", "/ 15", 1),
        (r"window_waiting_seconds\) > 60", "window_waiting_seconds) > 3", 1),
        (r"for: \d+[mh]", "for: 1s", 12),
    ):
        rules, count = re.subn(pattern, replacement, rules, flags=re.MULTILINE)
        assert count >= least, f"{pattern} is in the rules {count} times"
    return rules


def _as_the_exporter_tells_it(topics: PipelineTopics) -> str:
    behind = lag(topics.bootstrap_servers, topics.group_id, topics.events)
    labels = f'consumergroup="{topics.group_id}",topic="{topics.events}"'
    return "".join(
        f'kafka_consumergroup_lag{{{labels},partition="{partition}"}} {records}\n'
        for partition, records in behind.items()
        if records is not None
    )


def test_the_collectors_troubles_are_noticed(apps: Apps, own_broker: Broker, tmp_path: Path) -> None:
    monitoring_tool("prometheus")
    collector = start_collector(apps, create_topics(own_broker.bootstrap_servers), LIMIT="20")
    kubernetes = Served("")
    rules = _with_short_times(rule_file(ALERTS.read_text(encoding="utf-8")))
    with contextlib.ExitStack() as stack:
        targets = {
            "collector": f"127.0.0.1:{collector.app.http_port}",
            "kube-state-metrics": stack.enter_context(serving(kubernetes)),
        }
        prometheus = stack.enter_context(running_prometheus(tmp_path, targets, rules=rules))

        def these_fire(expected: set[str], visitor: str, also: set[str] | None = None) -> bool:
            """Whether these alerts fire, and beside them none but those in `also`, with traffic of one visitor."""
            for _ in range(4):
                collector.ingest(b'{"path": "/"}', {"X-Forwarded-For": visitor})
            kubernetes.text = _as_kubernetes_tells_it(collector)
            found = firing(prometheus) & _COLLECTOR
            assert expected <= found <= expected | (also or set()), f"{sorted(found)} fire, not {sorted(expected)}"
            return True

        eventually(lambda: query(prometheus, "clickstream_collector_events_acknowledged_total"), 30)
        eventually(lambda: these_fire(set(), "192.0.2.1"), _DEADLINE, every=1)

        own_broker.pause()
        # Slow, too, are the requests that waited for Kafka before the collector knew that it was away.
        eventually(lambda: these_fire(_AWAY, "192.0.2.1", also={"ClickstreamCollectorSlow"}), _DEADLINE, every=1)
        own_broker.resume()
        eventually(lambda: these_fire(set(), "192.0.2.1"), _DEADLINE, every=1)

        flood = b"[" + b",".join([b'{"path": "/"}'] * 5000) + b"]"
        assert collector.ingest(flood, {"X-Forwarded-For": "192.0.2.2"}) == 200
        eventually(lambda: these_fire({"ClickstreamCollectorLimited"}, "192.0.2.2"), _DEADLINE, every=1)
        eventually(lambda: these_fire(set(), "192.0.2.1"), _DEADLINE, every=1)

        stack.enter_context(_hesitating(own_broker))
        eventually(lambda: these_fire({"ClickstreamCollectorSlow"}, "192.0.2.1"), _DEADLINE, every=1)


@contextlib.contextmanager
def _hesitating(broker: Broker) -> Iterator[None]:
    """Let the broker stand still for 0.8 s of every second: shorter than a request waits for it."""
    ended = threading.Event()

    def hesitate() -> None:
        while not ended.wait(0.2):
            broker.pause()
            ended.wait(0.8)
            broker.resume()

    thread = threading.Thread(target=hesitate)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _as_kubernetes_tells_it(collector: Collector) -> str:
    """What kube-state-metrics would say of one replica, whose readiness probe is asked here."""
    ready = int(collector.app.get("/readyz")[0] == 200)
    labels = '{deployment="clickstream-collector"}'
    return f"kube_deployment_spec_replicas{labels} 1\nkube_deployment_status_replicas_ready{labels} {ready}\n"


def test_a_window_that_waits_for_one_partition_is_noticed(apps: Apps, topics: PipelineTopics, tmp_path: Path) -> None:
    monitoring_tool("prometheus")
    replicas = [
        apps.start("clickstream_streams.main", environ={**topics.environ, **_SHORT, "GROUP_ID": topics.group_id})
        for _ in range(2)
    ]
    for each in replicas:
        each.wait_until_ready(60)
    producer = apps.start("clickstream_producer.main", environ=topics.environ, RATE="50")
    for each in replicas:
        eventually(lambda each=each: sample(each, "clickstream_streams_watermark_timestamp_seconds"), 60)  # type: ignore[misc]
    targets = {f"streams-{each.http_port}": f"127.0.0.1:{each.http_port}" for each in replicas}
    targets["producer"] = f"127.0.0.1:{producer.http_port}"
    rules = _with_short_times(rule_file(ALERTS.read_text(encoding="utf-8")))
    with running_prometheus(tmp_path, targets, rules=rules) as prometheus:
        eventually(lambda: query(prometheus, "clickstream_streams_window_waiting_seconds"), 30)
        assert firing(prometheus) & {"ClickstreamWindowWaiting"} == set()

        assert any(_is_noticed_when_one_freezes(replicas, prometheus) for _ in range(5))

        eventually(lambda: "ClickstreamWindowWaiting" not in firing(prometheus), _DEADLINE)


def _is_noticed_when_one_freezes(replicas: list[App], prometheus: Prometheus) -> bool:
    """Freeze the replica that does not merge; whether the alert fires before the other one takes its partitions over.

    That is 7 to 10 s later. A window that waits from the freeze's first seconds on has the best chance.
    """
    merging = _merging(replicas)
    (frozen,) = [each for each in replicas if each is not merging]
    eventually(lambda: time.time() % _WINDOW_SECONDS < 0.5, 2 * _WINDOW_SECONDS)
    rebalances = sample(frozen, "clickstream_streams_rebalances_total")
    frozen.pause()
    try:
        return eventually(lambda: "ClickstreamWindowWaiting" in firing(prometheus), 20)
    except AssertionError:  # the other one was sooner
        frozen.resume()
        eventually(lambda: sample(frozen, "clickstream_streams_rebalances_total") > rebalances, _DEADLINE)
        eventually(lambda: sample(frozen, "clickstream_streams_watermark_timestamp_seconds"), _DEADLINE)
        return False
    finally:
        frozen.resume()
