"""The collector behind API Gateway: events as the gateway sends them (payload format 2.0), and a Kafka played in here.

The files in `gateway_events` have the shape that AWS documents, with the headers of a browser.
"""

import asyncio
import base64
import copy
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaConnectionError

from clickstream_collector import invocations, supervisor
from clickstream_collector.invocations import TRUSTED_FOR_S, HaltingLoop, Invocations
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.settings import read_settings

EVENTS = Path(__file__).parent / "gateway_events"
Event = dict[str, Any]
MakeFunction = Callable[..., Invocations]


def gateway_event(name: str, *, headers: dict[str, str] | None = None, source: str = "", **changes: Any) -> Event:
    """The event of a file; `headers` are added, `source` replaces the visitor's address."""
    event: Event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    event["headers"] |= headers or {}
    if source:
        event["requestContext"]["http"]["sourceIp"] = source
    return event | changes


@dataclass
class Batch:
    records: list[tuple[bytes | None, bytes, list[tuple[str, bytes]]]] = field(default_factory=list)
    is_closed: bool = False

    def append(self, *, timestamp: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> object:
        self.records.append((key, value, headers))
        return object()

    def close(self) -> None:
        self.is_closed = True

    def closed(self) -> bool:
        return self.is_closed


@dataclass
class Kafka:
    """What aiokafka's producer does, in this process. `away` producers do not start, `silent` ones get no answer."""

    away: bool = False
    silent: bool = False
    started: int = 0
    stopped: int = 0
    records: list[tuple[str, bytes | None, bytes, list[tuple[str, bytes]]]] = field(default_factory=list)
    unanswered: list[Callable[[], None]] = field(default_factory=list)

    def producer(self, **_settings: Any) -> "Producer":
        return Producer(self)

    def answer(self) -> None:
        """Acknowledge what waited, and what comes."""
        self.silent = False
        for acknowledge in self.unanswered:
            acknowledge()

    def values(self, topic: str = "clickstream-events") -> list[Event]:
        """The events of a topic."""
        return [json.loads(value) for each, _, value, _ in self.records if each == topic]


class Producer:
    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self.client = self
        self.cluster = self
        self._message_accumulator = self

    async def force_metadata_update(self) -> bool:
        return not self._kafka.away

    async def start(self) -> None:
        if self._kafka.away:
            raise KafkaConnectionError("Unable to bootstrap")
        self._kafka.started += 1

    async def stop(self) -> None:
        self._kafka.stopped += 1

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1, 2}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1, 2}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[None]:
        acknowledged = asyncio.get_running_loop().create_future()

        def acknowledge() -> None:
            self._kafka.records += [(topic, *record) for record in batch.records]
            acknowledged.set_result(None)

        if self._kafka.silent:
            self._kafka.unanswered.append(acknowledge)
        else:
            acknowledge()
        return acknowledged


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()

    async def no_reason(_kafka: object) -> None:
        return None

    monkeypatch.setattr(supervisor, "AIOKafkaProducer", kafka.producer)
    monkeypatch.setattr(supervisor, "why_refused", no_reason)
    monkeypatch.setattr(invocations, "_CONNECT_TIMEOUT_S", 0.1)
    return kafka


def new_function(wall_clock: Callable[[], float] = time.time, **environ: str) -> Invocations:
    """A function after its cold start; to be closed."""
    environ = {"VISITOR_SECRET": "a secret of the tests", **environ}
    settings = read_settings(CollectorSettings, prog=APP, description="", argv=[], environ=environ)
    function = Invocations(settings, wall_clock)
    function.connect()
    return function


@pytest.fixture
def make_function(kafka: Kafka) -> Iterator[MakeFunction]:
    made: list[Invocations] = []

    def make(wall_clock: Callable[[], float] = time.time, **environ: str) -> Invocations:
        made.append(new_function(wall_clock, **environ))
        return made[-1]

    yield make
    for function in made:
        function.close()


@pytest.fixture
def function(make_function: MakeFunction) -> Invocations:
    return make_function()


def test_a_single_event_gets_its_echo_once_it_is_a_record(function: Invocations, kafka: Kafka) -> None:
    event = gateway_event("post-json")

    answer = function(event, None)

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert json.loads(answer["body"]) == {"status": "ok", "received": json.loads(event["body"])}
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["headers"]["access-control-allow-origin"] == "*"
    [(topic, key, value, _)] = kafka.records
    assert (topic, key) == ("clickstream-events", b"u-1")
    stored = json.loads(value)
    assert (stored["page_url"], stored["event_type"], stored["tag"]) == ("/posts/kafka/", "click", "A")


def test_a_compressed_batch_of_plain_text_is_unpacked_twice(function: Invocations, kafka: Kafka) -> None:
    answer = function(gateway_event("post-text-gzip"), None)

    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert (body["accepted"], [each["index"] for each in body["rejected"]]) == (2, [2])
    stored = kafka.values()
    assert sorted(each["event_type"] for each in stored) == ["click", "page_view"]
    assert {each["site_key"] for each in stored} == {"blog"}


def test_what_is_not_json_is_kept_as_a_dead_letter(function: Invocations, kafka: Kafka) -> None:
    event = gateway_event("post-not-json")

    answer = function(event, None)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"status": "ok", "received": {"raw": event["body"]}}
    [(topic, _, value, _)] = kafka.records
    assert (topic, value) == ("clickstream-dead-letters", event["body"].encode())


def test_a_country_is_believed_from_the_cdn_that_is_trusted_not_from_the_visitor(
    make_function: MakeFunction, kafka: Kafka
) -> None:
    said = {"cloudfront-viewer-country": "KR"}
    for source, trusted in (("198.51.100.1", ""), ("130.176.0.1", ""), ("130.176.0.1", "130.176.0.0/16")):
        settings = {"TRUSTED_PROXIES": trusted} if trusted else {}
        make_function(**settings)(gateway_event("post-json", headers=said, source=source), None)
    assert [each["country"] for each in kafka.values()] == ["ZZ", "ZZ", "KR"]


def test_the_pixel_is_an_image_in_base64(function: Invocations, kafka: Kafka) -> None:
    answer = function(gateway_event("get-pixel"), None)

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert answer["headers"]["content-type"] == "image/gif"
    image = base64.b64decode(answer["body"])
    assert (image[:6], len(image)) == (b"GIF89a", 43)
    assert [(each["page_url"], each["site_key"]) for each in kafka.values()] == [("/letters/12/", "mail")]


def test_the_script_comes_compressed_and_in_base64(function: Invocations) -> None:
    answer = function(gateway_event("get-script"), None)

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert answer["headers"]["content-encoding"] == "gzip"
    assert answer["headers"]["content-type"] == "text/javascript; charset=utf-8"
    script = (files("clickstream_collector") / "web/clickstream.js").read_bytes()
    assert gzip.decompress(base64.b64decode(answer["body"])) == script


def test_the_script_comes_as_text_to_who_can_not_unpack(function: Invocations) -> None:
    answer = function(gateway_event("get-script", headers={"accept-encoding": "identity"}), None)

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["body"].encode() == (files("clickstream_collector") / "web/clickstream.js").read_bytes()


def test_a_known_script_is_not_sent_again(function: Invocations) -> None:
    etag = function(gateway_event("get-script"), None)["headers"]["etag"]

    answer = function(gateway_event("get-script", headers={"if-none-match": etag}), None)

    assert (answer["statusCode"], answer["body"]) == (304, "")


def test_a_preflight_is_answered_here(make_function: MakeFunction) -> None:
    function = make_function(ALLOWED_ORIGINS="https://*.example.com")

    answer = function(gateway_event("options-preflight"), None)

    assert (answer["statusCode"], answer["body"]) == (204, "")
    allowed = {name: value for name, value in answer["headers"].items() if name.startswith("access-control-allow")}
    assert allowed == {
        "access-control-allow-origin": "https://blog.example.com",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, content-encoding",
    }


@pytest.mark.parametrize("path", ["/ingest", "/dev/ingest", "/v1/clicks/ingest", "/%64ev/ingest"])
def test_the_stage_or_whatever_leads_to_it_is_no_part_of_the_path(
    function: Invocations, kafka: Kafka, path: str
) -> None:
    event = gateway_event("post-dev-stage", rawPath=path)
    event["requestContext"]["http"]["path"] = path

    assert function(event, None)["statusCode"] == 200
    assert len(kafka.records) == 1


@pytest.mark.parametrize("path", ["/dev/favicon.ico", "/dev", "/dev/", "/ingest/", "/dev/ingest/x", "//"])
def test_another_path_is_not_found(function: Invocations, path: str) -> None:
    event = gateway_event("get-missing", rawPath=path)
    event["requestContext"]["http"]["path"] = path

    answer = function(event, None)

    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["status"] == "error"


def anonymous(**changes: Any) -> Event:
    """An event of a visitor who is known by address and browser alone."""
    return gateway_event("post-json", body='{"path": "/"}', **changes)


def test_the_visitor_is_who_the_gateway_saw(function: Invocations, kafka: Kafka) -> None:
    for source, claimed in (("203.0.113.7", "198.51.100.1"), ("203.0.113.7", "198.51.100.2"), ("203.0.113.8", "")):
        function(anonymous(source=source, headers={"x-forwarded-for": claimed}), None)

    first, same, other = (each["user_id"] for each in kafka.values())
    assert first == same != other


def test_the_root_answers_health_checks(function: Invocations) -> None:
    for path in ("/", ""):
        event = gateway_event("get-missing", rawPath=path)
        event["requestContext"]["http"]["path"] = path
        assert function(event, None)["statusCode"] == 200


def test_lines_that_the_gateway_joined_by_commas_are_read_as_lists(function: Invocations, kafka: Kafka) -> None:
    headers = {"content-type": "application/json,application/json", "origin": "https://a.example,https://a.example"}
    assert function(anonymous(headers=headers), None)["statusCode"] == 200
    for name in ("dnt", "sec-gpc"):
        assert function(anonymous(headers={name: "1,1"}), None)["statusCode"] == 204
    assert len(kafka.values()) == 1


def test_the_visitor_is_the_same_however_the_gateway_writes_the_address(function: Invocations, kafka: Kafka) -> None:
    for source in ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7:4711"):
        function(anonymous(source=source), None)
    assert len({each["user_id"] for each in kafka.values()}) == 1


def test_behind_a_trusted_cdn_the_visitor_is_who_the_cdn_saw(make_function: MakeFunction, kafka: Kafka) -> None:
    function = make_function(TRUSTED_PROXIES="203.0.113.0/24")
    for visitor in ("198.51.100.1", "198.51.100.2"):
        # CloudFront writes whom it saw, and the gateway adds CloudFront.
        function(anonymous(headers={"x-forwarded-for": f"192.0.2.66, {visitor}, 203.0.113.7"}), None)

    one, other = (each["user_id"] for each in kafka.values())
    assert one != other


def test_many_requests_share_one_connection(function: Invocations, kafka: Kafka) -> None:
    event = gateway_event("post-json", body='{"path": "/", "user_id": "u"}')

    answers = [function(copy.deepcopy(event), None) for _ in range(20)]

    assert {answer["statusCode"] for answer in answers} == {200}
    assert len(kafka.records) == 20
    assert (kafka.started, kafka.stopped) == (1, 0)


def test_after_a_long_silence_the_connection_is_made_again(make_function: MakeFunction, kafka: Kafka) -> None:
    clock = Clock()
    function = make_function(clock)
    function(anonymous(), None)

    clock.now += TRUSTED_FOR_S - 1
    function(anonymous(), None)
    assert kafka.started == 1

    clock.now += TRUSTED_FOR_S + 1
    assert function(anonymous(), None)["statusCode"] == 200
    assert (kafka.started, kafka.stopped, len(kafka.records)) == (2, 1, 3)


def test_the_first_request_waits_for_the_connection(kafka: Kafka, make_function: MakeFunction) -> None:
    kafka.away = True
    function = make_function()
    kafka.away = False  # the next attempt, a second after the first, will do

    answer = function(gateway_event("post-json"), None)

    assert answer["statusCode"] == 200
    assert len(kafka.records) == 1


def test_without_kafka_a_request_is_refused_within_two_seconds(kafka: Kafka, make_function: MakeFunction) -> None:
    kafka.away = True
    function = make_function()

    begun = time.monotonic()
    answer = function(gateway_event("post-json"), None)

    assert time.monotonic() - begun < 2
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "2")
    assert json.loads(answer["body"]) == {"status": "error", "error": "Kafka is away"}
    assert answer["headers"]["access-control-allow-origin"] == "*"


def test_events_that_got_503_do_not_block_those_after_them(function: Invocations, kafka: Kafka) -> None:
    kafka.silent = True
    same_visitor = json.loads(gateway_event("post-json")["body"])  # so they share a partition
    earlier = [gateway_event("post-json", body=json.dumps(same_visitor | {"event_id": str(uuid4())})) for _ in range(2)]
    refused = [function(each, None)["statusCode"] for each in earlier]
    begun = time.monotonic()
    refused.append(function(gateway_event("post-json"), None)["statusCode"])
    assert refused == [503, 503, 503]
    assert time.monotonic() - begun > 1  # that long Kafka had time to answer

    kafka.answer()  # while nothing of the function moves

    assert function(gateway_event("post-dev-stage"), None)["statusCode"] == 200
    stored = {each["event_id"] for each in kafka.values()}
    assert "6f1b2a9c-0000-4000-8000-000000000002" in stored
    assert "6f1b2a9c-0000-4000-8000-000000000001" not in stored  # Kafka was known to be slow: it was not taken


def test_the_end_waits_for_what_is_on_its_way(kafka: Kafka) -> None:
    function = new_function()
    kafka.silent = True
    assert function(gateway_event("post-json"), None)["statusCode"] == 503
    kafka.answer()

    function.close()

    assert (len(kafka.records), kafka.stopped) == (1, 1)


def test_time_stands_still_while_the_loop_does() -> None:
    clock = Clock()
    loop = HaltingLoop(clock)
    rung: list[float] = []
    begun = loop.time()
    loop.call_later(5, lambda: rung.append(loop.time()))

    async def seconds(number: float) -> None:
        clock.now += number

    clock.now += 3600  # frozen
    loop.run_until_complete(seconds(2))
    clock.now += 3600
    assert loop.time() - begun == 2
    loop.run_until_complete(seconds(4))  # six seconds in all
    loop.run_until_complete(asyncio.sleep(0))

    assert rung == [begun + 6]
    loop.close()
