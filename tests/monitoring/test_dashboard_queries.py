"""Every number that the dashboard shows exists: the real apps, a real Prometheus, and each panel's query.

What Kafka's exporters, Kubernetes and Strimzi would report comes from samples (samples/README.md).
"""

import contextlib
import json
import math
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import generate_latest

from clickstream_local.prometheus import NAMESPACE, Prometheus
from clickstream_scenarios.database import connect
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario
from clickstream_scenarios.store_settings import DatabaseSettings
from clickstream_statistics import instruments
from kit.collector import Collector, start_collector
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import start_processor
from kit.prometheus import Served, monitoring_tool, query, running_prometheus, serving
from kit.scenarios import REFERENCE, ScenarioTopics, access_log, create_scenario_topics
from kit.topics import PipelineTopics, ToSend, send

Documented = dict[str, tuple[str, frozenset[str]]]
_ADDED_BY_PROMETHEUS = {"__name__", "instance", "job", "namespace"}
# As kube-prometheus-stack asks them. Strimzi's operator, too, speaks of others, but a PodMonitor's namespace wins.
_SPEAK_OF_OTHERS = ("kube-state-metrics", "cadvisor")


def test_every_query_of_the_dashboard_answers(
    apps: Apps,
    topics: PipelineTopics,
    documented: Documented,
    samples: dict[str, str],
    panel_queries: dict[str, str],
    tmp_path: Path,
) -> None:
    monitoring_tool("prometheus")
    pipeline = _start_pipeline(apps, topics)
    collector = start_collector(apps, topics, LIMIT="10")
    pipeline["collector"] = collector.app
    requests = create_scenario_topics(topics.bootstrap_servers)
    pipeline["scenarios"] = _start_scenarios(apps, requests, f"sqlite:///{tmp_path / 'scenarios.db'}")
    with contextlib.ExitStack() as stack:
        targets = {name: f"127.0.0.1:{app.http_port}" for name, app in pipeline.items()}
        targets |= {name: stack.enter_context(serving(text)) for name, text in samples.items()}
        statistics = Served("")
        targets["statistics"] = stack.enter_context(serving(statistics))
        prometheus = stack.enter_context(running_prometheus(tmp_path, targets, honored=_SPEAK_OF_OTHERS))
        unanswered = _filled_in(panel_queries)

        def all_answer() -> bool:
            _visit(collector)
            send(topics.bootstrap_servers, topics.events, [ToSend(b"not json")])
            _request(requests)
            statistics.text = _statistics()
            for name in [each for each, expression in unanswered.items() if _answers(prometheus, expression)]:
                del unanswered[name]
            assert not unanswered, "no answer to " + "\n".join(f"{name}: {each}" for name, each in unanswered.items())
            return True

        eventually(all_answer, 90, every=1.0)
        assert not _answers(prometheus, "clickstream_no_such_metric")
        assert not _answers(prometheus, "up * NaN")
        assert {each["metric"]["job"] for each in query(prometheus, "up == 1")} == targets.keys()
        _assert_all_is_documented(prometheus, documented)


def _start_pipeline(apps: Apps, topics: PipelineTopics) -> dict[str, App]:
    streams = start_processor(apps, topics)
    consumer = apps.start("clickstream_consumer.main", environ=topics.environ, GROUP_ID=f"{topics.group_id}-dashboard")
    for each in (streams, consumer):
        each.wait_until_ready(60)
    producer = apps.start("clickstream_producer.main", environ=topics.environ, RATE="200", SEED="1")
    return {"streams": streams, "consumer": consumer, "producer": producer}


def _start_scenarios(apps: Apps, topics: ScenarioTopics, database: str) -> App:
    """With a database that has the reference's scenario, and a Redis that is away."""
    engine = connect(DatabaseSettings(url=database))
    migrate(engine)
    create_scenario(engine, read_scenario(REFERENCE), "kim", datetime.now(UTC))
    engine.dispose()
    scenarios = apps.start(
        "clickstream_scenarios.main", environ=topics.environ, DATABASE_URL=database, REDIS_URL="redis://127.0.0.1:1"
    )
    scenarios.wait_until_ready(60)
    return scenarios


def _request(topics: ScenarioTopics) -> None:
    """A request of a member that is not cached yet, and one for no scenario."""
    targets = (f"/5?memberId={uuid.uuid4().hex}", "/6")
    send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(each)) for each in targets])


def _statistics() -> str:
    """What the Spark job would serve: its own metrics, counted up here, because Spark is in no test's environment."""
    for each in (instruments.BATCH_SECONDS, instruments.REDIS_SECONDS):
        each.observe(1)
    for phase in instruments.PHASES:
        instruments.PHASE_SECONDS.labels(phase).observe(1)
    instruments.RECORDS.inc()
    instruments.LAG.labels("0").set(0)
    lines = generate_latest().decode().splitlines(keepends=True)
    return "".join(each for each in lines if re.match(r"clickstream_statistics_(?!\w+_created)", each))


def _visit(collector: Collector) -> None:
    """What browsers send: a page view and its retry, no event, no JSON, a crawler's, too many at once, and a pixel."""
    event = json.dumps({"event_id": uuid.uuid4().hex, "path": "/", "user_id": "visitor"}).encode()
    flood = {"X-Forwarded-For": "192.0.2.1"}
    collector.ingest(json.dumps([{"path": "/"}] * 200).encode(), flood)
    assert (
        *(collector.ingest(each) for each in (event, event, b"{}", b"not json")),
        collector.ingest(event, {"User-Agent": "Googlebot/2.1"}),
        collector.ingest(event, flood),
        collector.pixel("path=/mail"),
    ) == (200, 200, 400, 200, 204, 429, 200)


def _filled_in(panel_queries: dict[str, str]) -> dict[str, str]:
    """The queries as Grafana would send them."""
    found = {
        name: expression.replace("$namespace", f"{NAMESPACE}|kafka").replace("$__rate_interval", "20s")
        for name, expression in panel_queries.items()
    }
    assert not [name for name, expression in found.items() if "$" in expression], "a variable that is not filled in"
    assert len(found) > 40
    return found


def _answers(prometheus: Prometheus, expression: str) -> bool:
    return any(not math.isnan(float(each["value"][1])) for each in query(prometheus, expression))


def _assert_all_is_documented(prometheus: Prometheus, documented: Documented) -> None:
    served: dict[str, set[str]] = {}
    for each in query(prometheus, '{__name__=~"clickstream_.+"}'):
        name = each["metric"]["__name__"]
        family = re.sub("_(bucket|sum|count)$", "", name)
        if documented.get(family, ("", None))[0] == "histogram":
            name = family
        served.setdefault(name, set()).update(each["metric"].keys() - _ADDED_BY_PROMETHEUS - {"le"})
    assert {name: frozenset(labels) for name, labels in served.items()} == {
        name: labels for name, (_, labels) in documented.items()
    }
