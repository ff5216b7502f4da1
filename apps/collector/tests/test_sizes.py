"""What one client can have stored and held, in bytes, however few its events and however small its requests."""

import gzip
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from clickstream_collector import bodies
from clickstream_collector.bodies import MAX_BODY_BYTES, Held
from clickstream_collector.errors import TryAgain
from clickstream_collector.pipeline import MAX_DEAD_LETTER_BYTES
from clickstream_core.limits import RateLimit
from kit.in_process import DEAD_LETTERS, Clock, InProcess, in_process

LIMIT, BYTES_PER_EVENT = 100, 2000
BURST = 10 * LIMIT * BYTES_PER_EVENT
VISITOR, OTHER = "203.0.113.7", "203.0.113.8"


def stand_still(site: InProcess) -> None:
    """Let no time pass for the limits, so that nothing depends on how fast a test is."""
    for limit in (site._pipeline._visitor_limit, site._pipeline._site_limit):
        limit._clock = Clock()


@pytest.fixture
def site() -> Iterator[InProcess]:
    with in_process(LIMIT=str(LIMIT)) as site:
        stand_still(site)
        yield site


def limited(limit: str) -> float:
    return REGISTRY.get_sample_value("clickstream_collector_events_limited_total", {"limit": limit}) or 0


def stored(site: InProcess) -> int:
    """Bytes of all records that Kafka was given."""
    return sum(
        len(record.value) + len(record.key or b"") + sum(len(name) + len(value) for name, value in record.headers)
        for sent in site.producer.batches
        for record in sent.records
    )


LONG = {"path": "/", "tag": "x" * 8000, "id": "y" * 8000, "user_id": "z" * 8000}
BODIES = {
    "a body that is not JSON": b"x" * MAX_BODY_BYTES,
    "elements that are not JSON": b"[" + b"{x," * 9_999 + b"{x]",
    "large elements that are not JSON": b"[" + b",".join([b"{" + b"x" * 60_000 + b"}"] * 15) + b"]",
    "large events": json.dumps(LONG).encode(),
    "many large events in gzip": gzip.compress(json.dumps([LONG] * 40).encode()),
    "small events of a page with a long address": json.dumps([{"tag": "A"}] * 400).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_one_address_stores_ten_seconds_worth_and_one_request(site: InProcess, body: bytes) -> None:
    headers = {"x_forwarded_for": VISITOR, "referer": "https://shop.example.com/" + "p" * 2000}
    if body.startswith(b"\x1f\x8b"):
        headers["content_encoding"] = "gzip"
    replies = [site.post(body, **headers) for _ in range(500)]
    statuses = [reply.status for reply in replies]
    refused = replies[-1]
    assert statuses == sorted(statuses)
    assert {*statuses} == {200, 429}
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.error().startswith("too many ")
    once = stored(site) / statuses.count(200)
    assert stored(site) <= BURST + once
    assert site.post({"path": "/"}, x_forwarded_for=VISITOR).status == 429
    assert site.ask("GET", "/pixel.gif?path=/", x_forwarded_for=VISITOR).status == 429
    assert site.post({"path": "/"}, x_forwarded_for=OTHER).status == 200


def test_what_is_refused_for_its_bytes_is_counted_and_says_so(site: InProcess) -> None:
    before = limited("visitor"), limited("visitor_bytes")
    replies = [site.post(b"x" * 64_000, x_forwarded_for=VISITOR) for _ in range(40)]
    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert {reply.error().partition(";")[0] for reply in refused} == {"too many bytes from this visitor"}
    assert (limited("visitor"), limited("visitor_bytes")) == (before[0], before[1] + len(refused))


def test_the_addresses_of_one_ipv6_line_have_one_limit_in_bytes(site: InProcess) -> None:
    statuses = [site.post(b"x" * 64_000, x_forwarded_for=f"2001:db8:1:2::{number:x}").status for number in range(100)]
    assert stored(site) <= BURST + 65_000
    assert statuses[-1] == 429
    assert site.post(b"x", x_forwarded_for="2001:db8:1:3::1").status == 200


def test_a_sites_limit_in_bytes_is_for_all_its_visitors() -> None:
    with in_process(LIMIT="100", SITE_LIMIT="50") as site:
        stand_still(site)
        for number in range(100):
            reply = site.post(b"x" * 64_000, "/ingest?key=a", x_forwarded_for=f"203.0.113.{number}")
        assert (reply.status, reply.error().partition(";")[0]) == (429, "too many bytes from this site")
        assert stored(site) <= 10 * 50 * BYTES_PER_EVENT + 65_000
        assert site.post({"path": "/"}, "/ingest?key=b", x_forwarded_for="203.0.113.99").status == 200


@pytest.mark.parametrize("off", [{"BYTES_PER_EVENT": "off"}, {"LIMIT": "off"}])
def test_the_limits_in_bytes_can_be_turned_off(off: dict[str, str]) -> None:
    with in_process(**{"LIMIT": "100", **off}) as site:
        stand_still(site)
        assert {site.post(b"x" * 64_000).status for _ in range(100)} == {200}


def test_visitors_of_a_page_never_feel_the_limits(site: InProcess) -> None:
    event = {
        "event_id": "6f1c1b6e-5a5e-4d57-9d0e-0d6b9f4f9a10",
        "timestamp": "2024-10-26T10:30:45.123Z",
        "user_id": "u" * 36,
        "session_id": "s" * 36,
        "page_url": "/products/" + "p" * 400,
        "referrer": "https://www.google.com/" + "q" * 400,
    }
    assert {site.post([event] * 20, x_forwarded_for=VISITOR).status for _ in range(50)} == {200}


@hypothesis_settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3_000_000)), min_size=1, max_size=50))
def test_never_more_bytes_than_the_rate_the_bucket_and_one_request(requests: list[tuple[float, int]]) -> None:
    clock = Clock()
    limit = RateLimit(LIMIT, clock, LIMIT * BYTES_PER_EVENT)
    begun, passed, largest = clock.now, 0, 0
    for pause, size in requests:
        clock.now += pause
        if limit.take("a", 1) == 0 and limit.take_bytes("a", size) == 0:
            passed, largest = passed + size, max(largest, size)
    assert passed <= BURST + LIMIT * BYTES_PER_EVENT * (clock.now - begun) + largest + 1


def test_a_body_that_is_not_json_is_cut_and_its_length_said(site: InProcess) -> None:
    body = bytes(range(256)) * 2000
    reply = site.post(body)
    (letter,) = site.producer.written(DEAD_LETTERS)
    assert letter.value == body[:64_000] == body[:MAX_DEAD_LETTER_BYTES]
    error = dict(letter.headers)["error"].decode()
    assert error.startswith("not JSON: ")
    assert error.endswith("; cut to the first 64000 of 512000 bytes")
    assert reply.json()["received"] == {"raw": letter.value.decode(errors="replace")}


def test_an_element_that_is_not_json_is_cut_by_itself(site: InProcess) -> None:
    large = b'{"path":"/a",' + b"x" * 100_000 + b"}"
    answer = site.post(b'[{"path":"/"},{x},' + large + b"]").json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (1, [1, 2])
    small, cut = sorted(site.producer.written(DEAD_LETTERS), key=lambda letter: len(letter.value))
    assert (small.value, cut.value) == (b"{x}", large[:64_000])
    assert "cut to" not in dict(small.headers)["error"].decode()
    assert dict(cut.headers)["error"].endswith(b"(element 2 of an array of 3); cut to the first 64000 of 100014 bytes")


@pytest.mark.parametrize("size", [1, 63_999, 64_000])
def test_what_is_not_too_long_is_kept_whole(site: InProcess, size: int) -> None:
    site.post(b"x" * size)
    (letter,) = site.producer.written(DEAD_LETTERS)
    assert letter.value == b"x" * size
    assert b"cut to" not in dict(letter.headers)["error"]


def test_bodies_that_wait_for_kafka_are_bounded_in_sum(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD_BYTES", 100_000)
    for large in ([{"path": "/"}] * 200, b" " * 100_001):
        reply = site.post(large)
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    for number in range(10):  # nothing of a request stays when it is answered
        assert site.post([{"path": "/"}] * 100, x_forwarded_for=f"203.0.113.{number}").status == 200


def test_what_is_held_is_let_go_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD_BYTES", 10)
    held = Held()
    with held.holding(6), pytest.raises(TryAgain), held.holding(5):
        pass
    with pytest.raises(ZeroDivisionError), held.holding(10):
        raise ZeroDivisionError
    assert held.size == 0
