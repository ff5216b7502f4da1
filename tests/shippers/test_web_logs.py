"""web_logs by rsyslog to a real OpenSearch, and to one that gives the answers of a real one under load."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.errors import NoError

from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from kit.bulk_stand_in import BulkStandIn
from kit.opensearch import OpenSearch, distribution
from kit.poll import eventually
from kit.rsyslog import Rsyslog, module, settings
from kit.small_disk import fill, small_disk
from kit.topics import ToSend, committed, end_offsets, send

ROOT = Path(__file__).parents[2]
OPENSEARCH = ROOT / "shippers" / "opensearch"
PARTITIONS = 3
AN_HOUR_AGO = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)


@pytest.fixture
def opensearch(java: Path) -> Iterator[OpenSearch]:
    module("imkafka")
    module("omelasticsearch")
    with OpenSearch(java, distribution(ROOT / ".local" / "opensearch")) as running:
        template = json.loads((OPENSEARCH / "web-logs-template.json").read_text(encoding="utf-8"))
        running.ask("/_index_template/web_logs", template, method="PUT")
        yield running


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"web-logs-{uuid.uuid4().hex[:10]}"
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, [Topic(name, PARTITIONS)])
    return name


def web_log(number: int, **fields: Any) -> ToSend:
    record = {
        "ip": "203.0.113.7" if number % 2 else "2001:db8::7",
        "timestamp": AN_HOUR_AGO.isoformat(),
        "method": "GET",
        "url": f"/{number}",
        "status_code": 404 if number % 10 == 0 else 200,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    return ToSend(json.dumps({**record, **fields}).encode())


def shipper(directory: Path, broker: Broker, topic: str, port: int) -> Rsyslog:
    environ = settings("web-logs.env", KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, OPENSEARCH_PORT=str(port))
    changed = {
        'topic="web_logs"': f'topic="{topic}"',
        '"clickstream-rsyslog"\n': f'"{topic}"\n',
        # A member that was killed leaves its group after 45 s otherwise.
        "confParam=[\n": 'confParam=["session.timeout.ms=6000",\n',
    }
    return Rsyslog(directory, "web-logs.conf", environ, changed=changed)


def all_read(broker: Broker, topic: str) -> bool:
    """Whether the group has committed the end of each partition that has records."""
    ends = end_offsets(broker.bootstrap_servers, topic)
    return committed(broker.bootstrap_servers, topic, topic) == {each: end for each, end in ends.items() if end}


def test_each_record_is_one_document_though_opensearch_and_rsyslog_are_killed(
    tmp_path: Path, broker: Broker, topic: str, opensearch: OpenSearch
) -> None:
    with shipper(tmp_path / "rsyslog", broker, topic, opensearch.port) as rsyslog:
        odd = [ToSend(b"no JSON"), web_log(0, status_code="many"), web_log(0, ip="nowhere")]
        send(broker.bootstrap_servers, topic, [*(web_log(each) for each in range(300)), *odd])
        eventually(lambda: len(opensearch.documents("web_logs")) == 300, 60, every=0.2)

        opensearch.kill()
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(300, 600)])
        eventually(lambda: all_read(broker, topic), 30, every=0.2)
        rsyslog.kill()
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(600, 900)])
        rsyslog.start()
        opensearch.start()
        eventually(lambda: len(opensearch.documents("web_logs")) >= 900, 60, every=0.2)
        eventually(lambda: all_read(broker, topic), 30, every=0.2)
        assert rsyslog.stop() == 0

    found = opensearch.documents("web_logs")
    assert sorted(int(each["url"][1:]) for each in found) == list(range(900)), "nothing is lost, nothing there twice"
    refused = set((rsyslog.work / "refused").read_text(encoding="utf-8").splitlines())
    assert [json.JSONDecoder().raw_decode(each)[0]["url"] for each in refused] == ["/0", "/0"]
    assert {"[status_code]" in each for each in refused} == {False, True}
    assert (rsyslog.work / "not-json").read_text(encoding="utf-8") == "no JSON\n"
    assert not (rsyslog.work / "unsent").exists()
    assert_typed(opensearch)


def assert_typed(opensearch: OpenSearch) -> None:
    """Queries that only work on addresses, dates, numbers and keywords; one of them is the scheduled query."""
    mapped = opensearch.ask("/web_logs/_mapping")["web_logs"]["mappings"]["properties"]
    assert (mapped["ip"]["type"], mapped["timestamp"]["type"], mapped["method"]["type"]) == ("ip", "date", "keyword")
    network = {"query": {"term": {"ip": "203.0.113.0/24"}}}
    assert opensearch.ask("/web_logs/_count", network)["count"] == 450
    words = {"query": {"match": {"user_agent.text": "linux"}}}
    assert opensearch.ask("/web_logs/_count", words)["count"] == 900

    command: list[str | Path] = [OPENSEARCH / "errors-by-hour.sh", opensearch.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    (line,) = done.stdout.splitlines()
    hours = json.loads(line)["aggregations"]["hours"]["buckets"]
    assert [(each["doc_count"], each["status"]["buckets"]) for each in hours] == [
        (900, [{"key": 200, "doc_count": 810}, {"key": 404, "doc_count": 90}])
    ]


def test_a_document_that_opensearch_is_too_busy_for_is_sent_again_under_its_id(
    tmp_path: Path, broker: Broker, topic: str
) -> None:
    module("imkafka")
    module("omelasticsearch")
    with BulkStandIn() as busy, shipper(tmp_path / "rsyslog", broker, topic, busy.port):
        busy.item_statuses = [429, 503, 403]
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(20)])
        eventually(lambda: len(busy.documents) == 20, 30)
        assert sorted(each["url"] for each in busy.documents.values()) == sorted(f"/{each}" for each in range(20))
        assert busy.refused == 3


def test_what_is_refused_as_a_whole_is_kept_with_the_answer_and_can_be_sent(
    tmp_path: Path, broker: Broker, topic: str
) -> None:
    module("imkafka")
    module("omelasticsearch")
    with BulkStandIn() as secured, shipper(tmp_path / "rsyslog", broker, topic, secured.port) as rsyslog:
        secured.status = 401
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(20)])

        def kept() -> list[Any]:
            lines = (rsyslog.work / "unsent").read_text(encoding="utf-8").splitlines()
            return [json.loads(each) for each in lines]

        eventually(lambda: (rsyslog.work / "unsent").exists(), 30)
        eventually(lambda: sum(each["request"]["postdata"].count("\n") for each in kept()) == 40, 30)
        assert all(each["reply"]["status"] == 401 for each in kept())
        secured.status = 200
        for each in kept():
            secured.post(each["request"]["postdata"])
        assert sorted(each["url"] for each in secured.documents.values()) == sorted(f"/{each}" for each in range(20))


def test_after_a_full_disk_records_come_from_kafka_again(tmp_path: Path, broker: Broker, topic: str) -> None:
    """rsyslog drops what it can't write to its queue, and says so; README.md has what to do then."""
    module("imkafka")
    module("omelasticsearch")
    with (
        small_disk(tmp_path / "rsyslog" / "work", 1024) as work,
        BulkStandIn() as opensearch,
        shipper(tmp_path / "rsyslog", broker, topic, opensearch.port) as rsyslog,
    ):
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(20)])
        eventually(lambda: len(opensearch.documents) == 20, 30)
        eventually(lambda: all_read(broker, topic), 30, every=0.2)
        before = dict.fromkeys(range(PARTITIONS), 0) | committed(broker.bootstrap_servers, topic, topic)
        filler = fill(work)
        send(broker.bootstrap_servers, topic, [web_log(each) for each in range(20, 60)])
        eventually(lambda: all_read(broker, topic), 30, every=0.2)
        assert "No space left on device" in rsyslog.said()

        rsyslog.kill()
        for each in [filler, *work.glob("web-logs.*")]:
            each.unlink()
        offsets = {TopicPartition(topic, each): OffsetAndMetadata(offset, "", -1) for each, offset in before.items()}
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            eventually(lambda: _reset(admin, topic, offsets), 60, every=0.5)
        rsyslog.start()
        eventually(lambda: {each["url"] for each in opensearch.documents.values()} == {f"/{n}" for n in range(60)}, 60)


def _reset(admin: KafkaAdminClient, group: str, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
    """False while rsyslog's member is still one of the group."""
    errors = admin.alter_group_offsets(group, offsets).values()
    return all(each is NoError for each in errors)
