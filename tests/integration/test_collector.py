"""The collector as a process, a real Kafka, and what is promised: 200 means that Kafka has the event, once.

COLLECTOR_OUTAGE_SECONDS=60 makes the outage of Kafka as long as the one that was promised to be survived.
"""

import base64
import gzip
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.partitioner.default import murmur2

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from clickstream_local.topics import clickstream_topics, create_missing
from kit.collector import Collector, start_collector
from kit.events import event
from kit.poll import eventually
from kit.processes import Apps
from kit.secured_kafka import Right, SecuredKafka
from kit.topics import PipelineTopics, create_topics

COLLECTOR = "clickstream_collector.main"
OUTAGE_SECONDS = float(os.environ.get("COLLECTOR_OUTAGE_SECONDS", "6"))
SLOWEST_ANSWER = 2.0


@dataclass(frozen=True)
class Answer:
    """What a request was answered, and after how many seconds; status 0 without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> Answer:
    """Ask the collector once; a body that is not bytes becomes JSON."""
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read(), time.monotonic() - begun)
    except (OSError, http.client.HTTPException):
        return Answer(0, seconds=time.monotonic() - begun)
    finally:
        connection.close()


def post(port: int, body: object, path: str = "/ingest", **headers: str) -> Answer:
    return ask(port, "POST", path, body, **headers)


@pytest.fixture
def collector(apps: Apps, topics: PipelineTopics) -> Collector:
    return start_collector(apps, topics, LIMIT="off", VISITOR_SECRET="a secret of the tests")


def stored(topics: PipelineTopics) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in topics.read(topics.events, "read_committed")]


def metric(collector: Collector, name: str) -> float:
    lines = collector.app.get("/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"clickstream_collector_{name}"))


def test_one_bad_event_of_a_batch_costs_no_other_one(apps: Apps, broker: Broker) -> None:
    topics = create_topics(broker.bootstrap_servers, max_message_bytes="15000")
    collector = start_collector(apps, topics, LIMIT="off", VISITOR_SECRET="a secret of the tests")
    noise = base64.b64encode(random.Random(7).randbytes(12_000)).decode()
    large = {"event_id": "2", "path": "/large", "tag": noise[:8000], "id": noise[8000:], "user_id": "u"}
    good = [{"event_id": f"good-{number}", "path": "/good", "user_id": "u"} for number in range(20)]
    half = b'{"event_id":"1","path":"/search","tag":"Great \\ud83d","user_id":"u"}'
    elements = [
        *(json.dumps(each).encode() for each in [*good[:10], large, *good[10:]]),
        half,
        b'{"path":"/","duration_ms":NaN}',
    ]
    body = b"[" + b",".join(elements) + b"]"

    def taken() -> Answer:
        answer = post(collector.port, body)
        assert answer.status == 200  # 503 while Kafka is asked with smaller batches
        return answer

    answer = eventually(taken, 30)
    assert answer.json()["accepted"] == 21
    assert [each["index"] for each in answer.json()["rejected"]] == [10, 22]
    found = stored(topics)
    assert sorted(each["event_id"] for each in found) == sorted([*(each["event_id"] for each in good), "1"])
    assert next(each["tag"] for each in found if each["event_id"] == "1") == "Great \ufffd"
    letters = {letter.value for letter in topics.read(topics.dead_letters, "read_committed")}
    assert letters == {b'{"path":"/","duration_ms":NaN}'}
    assert post(collector.port, large).status == 413
    eventually(lambda: post(collector.port, {"path": "/after"}).status == 200, 10)


def test_the_visitor_behind_two_proxies_is_one_however_they_write_it(
    collector: Collector, topics: PipelineTopics
) -> None:
    def send(*lines: str) -> None:
        head = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines)
        with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as client:
            head = f"Host: a\r\nConnection: close\r\nContent-Length: 12\r\n{head}"
            client.sendall(f'POST /ingest HTTP/1.1\r\n{head}\r\n{{"path":"/"}}'.encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")

    for lines in (
        ["203.0.113.7, 10.0.0.2"],
        ["203.0.113.7", "10.0.0.2"],
        ["::ffff:203.0.113.7", "[::ffff:10.0.0.2]:80"],
    ):
        send(*lines)
    send("203.0.113.8", "10.0.0.2")
    users = Counter(each["user_id"] for each in stored(topics))
    assert sorted(users.values()) == [1, 3]


class Visitors:
    """Visitors that send one event after the other; who gets no 200 sends the same event again until it is taken."""

    def __init__(self, port: int, count: int = 8, again: bool = True) -> None:
        self._port = port
        self._again = again
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.taken: list[str] = []
        self.answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._visit, args=(number,), daemon=True) for number in range(count)]

    def _visit(self, number: int) -> None:
        while not self._ending.is_set():
            event_id = str(uuid.uuid4())
            body = {"event_id": event_id, "path": "/load", "user_id": f"{number}-{event_id[:2]}", "session_id": "s"}
            while True:
                answer = post(self._port, body)
                with self._lock:
                    self.answers.append(answer)
                if answer.status == 200:
                    with self._lock:
                        self.taken.append(event_id)
                    break
                if not self._again or self._ending.is_set():
                    break
                time.sleep(0.2)

    @contextmanager
    def visiting(self) -> Iterator["Visitors"]:
        """They send within this block; in the end each one's last request is answered."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in self._threads:
                thread.join(30)

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        with self._lock:
            return Counter(answer.status for answer in self.answers)


def test_the_documented_curl_gets_the_documented_answer(collector: Collector, topics: PipelineTopics) -> None:
    sent = '{"path":"/test","tag":"A","id":null,"timestamp":"2025-05-21T12:00:00Z"}'
    command = ["curl", "-sS", "-X", "POST", "-H", "Content-Type: application/json", "-d", sent]
    url = f"http://127.0.0.1:{collector.port}/ingest"
    answer = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(answer.stdout) == {"status": "ok", "received": json.loads(sent)}
    (found,) = stored(topics)
    assert (found["page_url"], found["tag"], found["event_type"]) == ("/test", "A", "click")
    assert (found["timestamp"], found["country"], found["referrer"]) == ("2025-05-21T12:00:00.000Z", "ZZ", "direct")


def test_whole_events_arrive_as_they_are_where_the_java_client_puts_them(
    collector: Collector, topics: PipelineTopics
) -> None:
    sent = [event(datetime.now(UTC), event_id=str(uuid.uuid4()), user_id=f"사용자_{number}") for number in range(30)]
    assert post(collector.port, sent[0], content_type="application/json").json()["received"] == sent[0]
    answer = post(collector.port, [*sent[1:], {"tag": "A"}], content_type="application/json")
    assert answer.json() == {
        "status": "ok",
        "accepted": 29,
        "rejected": [{"index": 29, "error": "page_url (or path) is missing, and event_type too"}],
    }

    records = topics.read(topics.events, "read_committed")
    found = {(value := json.loads(record.value or b""))["event_id"]: value for record in records}
    assert len(records) == len(found) == 30
    for each in sent:
        assert each.items() <= found[each["event_id"]].items()
    for record in records:
        assert record.key == json.loads(record.value or b"")["user_id"].encode()
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % 6
        assert abs(record.timestamp - time.time() * 1000) < 60_000


def test_what_is_not_json_is_a_dead_letter_with_its_bytes_and_reason(
    collector: Collector, topics: PipelineTopics
) -> None:
    body = b'{"path": "/\xff'
    assert post(collector.port, body).json() == {"status": "ok", "received": {"raw": '{"path": "/�'}}
    (letter,) = topics.read(topics.dead_letters, "read_committed")
    assert letter.value == body
    assert letter.header("reason") == "not_json"
    assert letter.header("app") == "clickstream-collector"
    assert letter.header("error").startswith("not JSON: ")
    large = os.urandom(999_999)
    assert post(collector.port, large).status == 200
    letters = {each.value: each for each in topics.read(topics.dead_letters, "read_committed")}
    assert letters[large[:64_000]].header("error").endswith("; cut to the first 64000 of 999999 bytes")
    assert stored(topics) == []


def test_text_gzip_and_the_pixel_arrive(collector: Collector, topics: PipelineTopics) -> None:
    port = collector.port
    assert post(port, {"path": "/text"}, content_type="text/plain;charset=UTF-8").status == 200
    zipped = gzip.compress(b'[{"path":"/gzip"}]')
    assert post(port, zipped, content_type="text/plain", content_encoding="gzip").json()["accepted"] == 1
    pixel = ask(port, "GET", "/pixel.gif?path=/mail&event_type=page_view&key=news")
    assert (pixel.status, pixel.headers["content-type"], len(pixel.body)) == (200, "image/gif", 43)
    assert {found["page_url"] for found in stored(topics)} == {"/text", "/gzip", "/mail"}


def test_other_origins_are_told_what_they_may(apps: Apps, topics: PipelineTopics) -> None:
    origin = "https://shop.example.com"
    port = start_collector(apps, topics, ALLOWED_ORIGINS="https://*.example.com").port
    asked = ask(port, "OPTIONS", "/ingest", origin=origin, access_control_request_method="POST")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, origin)
    assert asked.headers["access-control-max-age"] == "86400"
    assert post(port, {"tag": "no event"}, origin=origin).headers["access-control-allow-origin"] == origin
    refused = post(port, {"path": "/"}, origin="https://evil.example")
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (403, False)
    assert stored(topics) == []


def test_a_retry_joins_what_is_on_its_way(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    collector = start_collector(apps, topics, LIMIT="off")
    body = {"event_id": "e1", "path": "/", "user_id": "u", "timestamp": "2024-10-26T10:30:45.123Z"}
    own_broker.pause()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(post, collector.port, body) for _ in range(2)]
        eventually(lambda: metric(collector, "events_in_flight ") == metric(collector, "events_joined_total") == 1, 5)
        own_broker.resume()
        assert {each.result().status for each in waiting} <= {200, 503}
    eventually(lambda: metric(collector, "events_in_flight ") == 0, 30)
    assert post(collector.port, body).status == 200
    assert len(stored(topics)) == 1


def test_every_event_answered_with_200_survives_a_kill_of_the_collector(
    collector: Collector, topics: PipelineTopics
) -> None:
    with Visitors(collector.port, again=False).visiting() as visitors:
        eventually(lambda: len(visitors.taken) > 300, 60)
        collector.app.kill()
    found = {each["event_id"] for each in stored(topics)}
    assert set(visitors.taken) <= found
    assert set(visitors.statuses()) <= {200, 0}


@pytest.mark.parametrize("away", [Broker.pause, Broker.kill])
def test_an_outage_of_kafka_loses_and_doubles_nothing(
    own_broker: Broker, apps: Apps, away: Callable[[Broker], None]
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    collector = start_collector(apps, topics, LIMIT="off")
    with Visitors(collector.port).visiting() as visitors:
        eventually(lambda: len(visitors.taken) > 200, 60)
        away(own_broker)
        eventually(lambda: visitors.statuses()[503] > 8, 20)
        eventually(lambda: collector.app.get("/readyz")[0] == 503, 10)
        memory, taken = resident(collector), len(visitors.taken)
        time.sleep(OUTAGE_SECONDS)
        assert len(visitors.taken) == taken
        assert resident(collector) - memory < 20_000_000
        assert collector.app.get("/healthz")[0] == 200
        if away is Broker.pause:
            own_broker.resume()
        else:
            own_broker.start()
        eventually(lambda: len(visitors.taken) > taken + 200, 60)
        collector.app.wait_until_ready()

    assert set(visitors.statuses()) <= {200, 503}
    refusals = [answer for answer in visitors.answers if answer.status == 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refusals)
    assert max(answer.seconds for answer in refusals) < SLOWEST_ANSWER + 1.0  # a busy machine
    found = Counter(each["event_id"] for each in stored(topics))
    assert set(visitors.taken) <= set(found)
    assert [event_id for event_id, count in found.items() if count > 1] == []


def resident(collector: Collector) -> int:
    """Bytes of memory that the collector holds."""
    return int(Path(f"/proc/{collector.app.child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_sigterm_under_load_ends_it_in_order(collector: Collector, topics: PipelineTopics) -> None:
    with Visitors(collector.port, again=False).visiting() as visitors:
        eventually(lambda: len(visitors.taken) > 100, 60)
        begun = time.monotonic()
        collector.app.stop()
        assert time.monotonic() - begun < 10
    assert set(visitors.taken) <= {each["event_id"] for each in stored(topics)}
    assert set(visitors.statuses()) <= {200, 503, 0}
    assert "Traceback" not in collector.app.output()


@pytest.mark.parametrize("away", [Broker.pause, Broker.kill])
def test_sigterm_while_kafka_is_away_ends_it(own_broker: Broker, apps: Apps, away: Callable[[Broker], None]) -> None:
    collector = start_collector(apps, create_topics(own_broker.bootstrap_servers))
    away(own_broker)
    assert post(collector.port, {"path": "/"}).status == 503
    begun = time.monotonic()
    collector.app.stop()
    assert time.monotonic() - begun < 10
    assert "1 events were not acknowledged; none of them got 200" in collector.app.output()
    assert "Traceback" not in collector.app.output()


@pytest.mark.parametrize("away", [Broker.pause, Broker.kill])
def test_it_notices_without_traffic_that_kafka_is_away(
    own_broker: Broker, apps: Apps, away: Callable[[Broker], None]
) -> None:
    collector = start_collector(apps, create_topics(own_broker.bootstrap_servers))
    away(own_broker)
    eventually(lambda: collector.app.get("/readyz")[0] == 503, 20)
    if away is Broker.pause:
        own_broker.resume()
    else:
        own_broker.start()
    collector.app.wait_until_ready(60)


def test_a_topic_deleted_under_traffic_and_made_again_takes_events_again(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    collector = start_collector(apps, topics, LIMIT="off")
    assert post(collector.port, {"path": "/"}).status == 200

    def send(user: int) -> int:
        return post(collector.port, {"path": "/", "user_id": f"u{user}"}).status

    with KafkaAdminClient(bootstrap_servers=own_broker.bootstrap_servers) as admin:
        admin.delete_topics([topics.events])
    with ThreadPoolExecutor(20) as visitors:
        list(visitors.map(send, range(20)))  # into several partitions
    eventually(lambda: collector.app.get("/readyz")[0] == 503, 60)
    config = {"bootstrap_servers": [own_broker.bootstrap_servers]}
    create_missing(config, clickstream_topics(topics.events, topics.metrics, topics.partials, topics.dead_letters))

    eventually(lambda: {send(user) for user in range(20)} == {200}, 60)


def test_it_notices_without_traffic_that_its_topic_was_deleted(
    broker: Broker, topics: PipelineTopics, collector: Collector
) -> None:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        admin.delete_topics([topics.events])
    collector.app.wait_for_output(f"topic {topics.events} does not exist any more", 60)
    assert collector.app.get("/readyz") == (503, f"topic {topics.events} does not exist any more\n")
    refused = post(collector.port, {"path": "/gone"})
    assert refused.status == 503
    assert refused.json()["error"] == f"topic {topics.events} does not exist"
    events = clickstream_topics(topics.events, topics.metrics, topics.partials, topics.dead_letters)[:1]
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, events)
    collector.app.wait_until_ready(60)
    assert post(collector.port, {"path": "/back"}).status == 200
    assert [found["page_url"] for found in stored(topics)] == ["/back"]


def test_before_kafka_is_there_it_says_so_and_refuses(apps: Apps) -> None:
    port, admin_port = str(free_port()), free_port()
    ports = {"HTTP_PORT": port, "ADMIN_PORT": str(admin_port)}
    app = apps.start(COLLECTOR, environ=ports, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    app.wait_for_output("Kafka is away")
    answer = post(int(port), {"path": "/"})
    assert (answer.status, answer.json()["error"]) == (503, "Kafka is away")
    assert answer.seconds < SLOWEST_ANSWER
    assert ask(int(port), "GET", "/clickstream.js").status == 200
    assert ask(admin_port, "GET", "/readyz").status == 503
    assert ask(admin_port, "GET", "/healthz").status == 200
    app.stop()
    assert "Traceback" not in app.output()


def test_a_missing_topic_is_named_and_waited_for(apps: Apps, broker: Broker) -> None:
    topics = {"EVENTS_TOPIC": "nowhere", "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    admin_port = free_port()
    app = apps.start(COLLECTOR, environ=topics, ADMIN_PORT=str(admin_port))
    app.wait_for_output("a topic does not exist (nowhere or clickstream-dead-letters)")
    assert ask(app.http_port, "POST", "/ingest", {"path": "/"}).status == 503
    assert "nowhere" in ask(admin_port, "GET", "/readyz").body.decode()
    app.stop()


def test_a_wrong_password_is_said_and_the_right_rights_are_enough(
    tmp_path: Path, java: Path, jars: tuple[Path, ...], apps: Apps
) -> None:
    with SecuredKafka(tmp_path / "secured", java=java, jars=jars) as secured:
        topics = create_topics(secured.broker.bootstrap_servers)
        rights = [
            Right("topic", topic, operation)
            for topic in (topics.events, topics.dead_letters)
            for operation in ("Write", "Describe")
        ]
        secured.add_user("clickstream-collector", "right", rights)
        secured.add_user("nobody", "right", [])
        wrong, without, fine = (
            apps.start(
                COLLECTOR, environ=topics.environ | secured.settings(user, password), ADMIN_PORT=str(free_port())
            )
            for user, password in (
                ("clickstream-collector", "wrong"),
                ("nobody", "right"),
                ("clickstream-collector", "right"),
            )
        )
        wrong.wait_for_output("check KAFKA_SASL_USERNAME and its password")
        without.wait_for_output("grant this user Describe and Write")
        fine.wait_for_output("✓ Connected to Kafka")
        assert post(fine.http_port, {"path": "/"}).status == 200
        assert post(fine.http_port, b"no json").status == 200
        assert post(wrong.http_port, {"path": "/"}).status == 503
        assert post(without.http_port, {"path": "/"}).status == 503
        for app in (wrong, without, fine):
            app.stop()


@pytest.mark.parametrize("setting", ["HTTP_PORT", "ADMIN_PORT"])
def test_a_port_that_is_taken_ends_it_with_one_line(apps: Apps, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {"HTTP_PORT": str(free_port()), "ADMIN_PORT": str(free_port()), setting: port}
        app = apps.start(COLLECTOR, environ=ports, VISITOR_SECRET="a secret of the tests")
        app.expect_exit(2, 20)
    assert f"{setting}={port}: cannot listen on this port (Address already in use)" in app.output()
    assert len(app.output().splitlines()) == 1


def test_a_country_database_that_is_none_ends_it(apps: Apps, tmp_path: Path) -> None:
    (tmp_path / "none.mmdb").write_text("no database")
    app = apps.start(COLLECTOR, COUNTRY_DATABASE=str(tmp_path / "none.mmdb"), ADMIN_PORT=str(free_port()))
    app.expect_exit(2, 20)
    assert "expected a MaxMind DB file" in app.output()
    assert "Traceback" not in app.output()


def test_sigterm_right_after_the_start_ends_it(apps: Apps) -> None:
    app = apps.start(COLLECTOR, ADMIN_PORT=str(free_port()))
    app.wait_for_output("✓ Taking events")
    app.stop()


def test_under_load_events_travel_in_batches(collector: Collector) -> None:
    with Visitors(collector.port, count=16).visiting() as visitors:
        eventually(lambda: len(visitors.taken) > 500, 60)
    assert metric(collector, "events_accepted_total") == metric(collector, "events_acknowledged_total")
    assert metric(collector, "delivery_latency_seconds_count") < len(visitors.taken)


def test_it_runs_under_uvicorn_too(apps: Apps, topics: PipelineTopics) -> None:
    pytest.importorskip("uvicorn")
    port, admin_port = free_port(), free_port()
    arguments = ("clickstream_collector.asgi:app", "--port", str(port))
    app = apps.start("uvicorn", *arguments, environ=topics.environ, ADMIN_PORT=str(admin_port))
    eventually(lambda: ask(admin_port, "GET", "/readyz").status == 200, 30)
    assert post(port, {"path": "/uvicorn"}).status == 200
    assert ask(port, "GET", "/clickstream.js").status == 200
    app.stop(status=-signal.SIGTERM)  # uvicorn finishes, and then lets the signal do as it would have done
    assert "Application shutdown complete" in app.output()
    assert [found["page_url"] for found in stored(topics)] == ["/uvicorn"]
