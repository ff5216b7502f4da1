import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_collector.devices import Device
from clickstream_collector.errors import NotAnEvent
from clickstream_collector.events import (
    ClientEvent,
    CollectedEvent,
    check_lengths,
    collected,
    encode_collected,
    happened_at,
    read_event,
    referrer_of,
    scenario_parameters,
)
from clickstream_collector.request_info import RequestInfo
from clickstream_core.timestamps import format_milliseconds, parse_timestamp

RECEIVED = parse_timestamp("2024-10-26T10:30:45.123Z")
FIRST, LAST = parse_timestamp("0001-01-01T00:00:00Z"), parse_timestamp("9999-12-31T23:59:59.999Z")
DESKTOP = Device("desktop", False)


def request(host: str = "", path: str = "", sent_at: int | None = None, received_at: int = RECEIVED) -> RequestInfo:
    return RequestInfo("203.0.113.7", "", host, path, "", received_at, format_milliseconds(received_at), sent_at)


def record(candidate: Any, request: RequestInfo = request(), device: Device = DESKTOP) -> CollectedEvent:  # noqa: B008
    return collected(read_event(candidate), request, device, "KR", "user", "session")


def refused(candidate: Any, request: RequestInfo = request()) -> tuple[str, str]:  # noqa: B008
    with pytest.raises(NotAnEvent) as error:
        record(candidate, request)
    return error.value.reason, str(error.value)


def test_the_short_form_becomes_a_whole_event() -> None:
    event = record({"path": "/test", "tag": "A", "id": None, "timestamp": "2024-10-26T10:30:00Z"})
    assert json.loads(encode_collected(event)) == {
        "event_id": event.event_id,
        "timestamp": "2024-10-26T10:30:00.000Z",
        "user_id": "user",
        "session_id": "session",
        "event_type": "click",
        "page_url": "/test",
        "page_category": "",
        "referrer": "direct",
        "device_type": "desktop",
        "country": "KR",
        "duration_ms": 0,
        "received_at": "2024-10-26T10:30:45.123Z",
        "client_timestamp": "2024-10-26T10:30:00Z",
        "tag": "A",
    }


def test_a_whole_event_stays_as_it_is() -> None:
    event = {
        "event_id": "0b0e6c5f-0a2c-4d6d-8bb8-4f9d3f6f0c11",
        "timestamp": "2024-10-26T10:30:00.000Z",
        "user_id": "user_42",
        "session_id": "session_7",
        "event_type": "purchase",
        "page_url": "/products/laptop",
        "page_category": "electronics",
        "referrer": "google.com",
        "device_type": "tablet",
        "country": "DE",
        "duration_ms": 2500,
    }
    stored = json.loads(encode_collected(record({**event, "label": "left out"})))
    assert stored.pop("received_at") == "2024-10-26T10:30:45.123Z"
    assert stored == event


@pytest.mark.parametrize(
    ("candidate", "event_type"),
    [
        ({"path": "/"}, "page_view"),
        ({"path": "/", "tag": "A"}, "click"),
        ({"path": "/", "id": "buy"}, "click"),
        ({"path": "/", "tag": "", "id": None}, "page_view"),
        ({"path": "/", "tag": "A", "event_type": "search"}, "search"),
    ],
)
def test_the_type_follows_from_what_is_there(candidate: Any, event_type: str) -> None:
    assert record(candidate).event_type == event_type


def test_the_page_may_be_the_requests() -> None:
    assert record({"event_type": "click"}, request(path="/cart")).page_url == "/cart"
    assert record({"page_url": "", "path": "/a"}, request(path="/cart")).page_url == "/a"
    assert refused({"event_type": "click"})[0] == "missing_field"


def test_each_event_gets_an_id_of_its_own() -> None:
    assert record({"path": "/"}).event_id != record({"path": "/"}).event_id


def test_crawlers_are_marked() -> None:
    assert record({"path": "/"}, device=Device("mobile", True)).bot
    assert b"bot" not in encode_collected(record({"path": "/"}))


@pytest.mark.parametrize(
    ("candidate", "reason", "words"),
    [
        (None, "not_object", "expected an object, not None"),
        ("x" * 5000, "not_object", "expected an object, not 'xxx"),
        ([{"path": "/"}], "not_object", "expected an object"),
        ({}, "missing_field", "page_url \\(or path\\) is missing, and event_type too"),
        ({"path": "", "tag": "A"}, "missing_field", "is missing"),
        ({"path": 5}, "wrong_type", "path: expected str or null, got int"),
        ({"path": "/", "user_id": 42}, "wrong_type", "user_id: expected str or null, got int"),
        ({"path": "/", "id": {}}, "wrong_type", "id: expected"),
        ({"path": "/", "consent": "no"}, "wrong_type", "consent: expected bool or null, got str"),
        ({"path": "/", "duration_ms": "5"}, "wrong_type", "duration_ms: expected"),
        ({"path": "/", "duration_ms": True}, "wrong_type", "duration_ms: expected"),
        ({"path": "/", "duration_ms": -1}, "wrong_type", "duration_ms must be a number from 0"),
        ({"path": "/", "duration_ms": 2**63}, "wrong_type", "duration_ms must be"),
        ({"path": "/", "duration_ms": 1e300}, "wrong_type", "duration_ms must be"),
        ({"path": "/", "timestamp": "yesterday"}, "bad_timestamp", "timestamp 'yesterday'"),
        ({"path": "/", "timestamp": "2024-10-26T10:30:45"}, "bad_timestamp", "timestamp"),
        ({"path": "/", "timestamp": "1" * 50_000}, "bad_timestamp", "timestamp"),
        ({"path": "/", "timestamp": "2024-10-26T10:30:45Z", "sent_at": "now"}, "bad_timestamp", "sent_at 'now'"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(candidate: Any, reason: str, words: str) -> None:
    found, message = refused(candidate)
    assert found == reason
    assert len(message) < 200
    with pytest.raises(NotAnEvent, match=words):
        record(candidate)


@given(st.floats(0, 9e18) | st.integers(0, 2**63 - 1))
def test_durations_are_whole_milliseconds(duration: float) -> None:
    assert record({"path": "/", "duration_ms": duration}).duration_ms == int(duration)


def at(timestamp: int | None, sent_at: int | None = None, own_sent_at: int | None = None) -> str:
    event = ClientEvent(
        timestamp=None if timestamp is None else format_milliseconds(timestamp),
        sent_at=None if own_sent_at is None else format_milliseconds(own_sent_at),
    )
    return happened_at(event, request(sent_at=sent_at))


def test_without_a_time_an_event_happened_when_it_came() -> None:
    assert at(None) == at(None, sent_at=5) == "2024-10-26T10:30:45.123Z"


def test_the_skew_of_the_clients_clock_is_taken_off() -> None:
    an_hour = 3_600_000
    assert at(RECEIVED - 5000 - an_hour, sent_at=RECEIVED - an_hour) == format_milliseconds(RECEIVED - 5000)
    assert at(RECEIVED - 5000 + an_hour, sent_at=RECEIVED + an_hour) == format_milliseconds(RECEIVED - 5000)
    assert at(RECEIVED - 5000, sent_at=RECEIVED - 7, own_sent_at=RECEIVED - 9) == format_milliseconds(RECEIVED - 4991)


@given(st.integers(FIRST, LAST), st.none() | st.integers(FIRST, LAST))
def test_an_event_is_never_later_than_its_arrival(timestamp: int, sent_at: int | None) -> None:
    skew = 0 if sent_at is None else RECEIVED - sent_at
    if timestamp + skew < FIRST:
        with pytest.raises(NotAnEvent, match="is before year 1"):
            at(timestamp, sent_at)
    else:
        assert parse_timestamp(at(timestamp, sent_at)) == min(timestamp + skew, RECEIVED)


@pytest.mark.parametrize(
    "text",
    [
        "2024-10-26t10:30:00.123z",
        "2024-10-26T12:30:00.1239+02:00",
        "2024-10-26T10:30:00.123Z",
        "2024-10-26 10:30:00.123Z",
        "2024-10-26 19:30:00.123+0900",
    ],
)
def test_times_are_stored_in_one_form_and_the_clients_text_beside_it(text: str) -> None:
    event = record({"path": "/", "timestamp": text})
    assert event.timestamp == "2024-10-26T10:30:00.123Z"
    assert event.client_timestamp == ("" if text == event.timestamp else text)


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        (None, "direct"),
        ("", "direct"),
        ("https://shop.example.com/a", "direct"),
        ("https://www.shop.example.com/a", "direct"),
        ("https://www.google.com/search?q=laptop", "google.com"),
        ("android-app://com.example.mail", "com.example.mail"),
        ("google.com", "google.com"),
        ("newsletter", "newsletter"),
        ("newsletter?id=42", "newsletter"),
        ("www.example.com/path?q=1", "example.com"),
        ("www.example.com?q=1", "example.com"),
        ("m.example.co.kr:8080/path#part", "m.example.co.kr"),
        ("//user:password@www.example.com/path?x", "example.com"),
        ("//shop.example.com/path?x", "direct"),
        ("shop.example.com/path?x", "direct"),
        ("/cart?coupon=1", "/cart"),
        ("android-app://com.example.mail/inbox?user=anna", "com.example.mail"),
        ("app://cart/a?user=anna", "app://cart/a"),
        ("file:///home/anna/x.html", "file:///x.html"),
        ("data:text/html,secret", "data:"),
        ("javascript:send('secret')", "javascript:"),
        ("?q=1", "direct"),
        ("https://[?q=1", "https://["),
        ("https://[", "https://["),
    ],
)
def test_of_a_referring_url_the_host_is_kept(referrer: str | None, expected: str) -> None:
    assert referrer_of(referrer, "shop.example.com") == expected


def test_the_own_host_is_the_pages_or_the_requests() -> None:
    referrer = "https://shop.example.com/"
    assert record({"page_url": "https://www.shop.example.com/a", "referrer": referrer}).referrer == "direct"
    assert record({"path": "/a", "referrer": referrer}, request(host="shop.example.com")).referrer == "direct"
    assert record({"path": "/a", "referrer": referrer}).referrer == "shop.example.com"


@given(st.integers(8150, 8250), st.sampled_from(["x", "é", "한", "😀"]))
def test_a_text_has_at_most_8192_bytes(size: int, letter: str) -> None:
    text = letter * (size // len(letter.encode()))
    event = record({"path": "/", "user_id": text})
    if len(text.encode()) <= 8192:
        check_lengths(event)
    else:
        with pytest.raises(NotAnEvent, match="user_id must be a string of at most 8192 bytes"):
            check_lengths(event)


@pytest.mark.parametrize("scenario", [5, "5", "005"])
def test_an_event_for_a_scenario_keeps_what_the_scenario_may_name(scenario: Any) -> None:
    candidate = {
        "path": "/cart",
        "scenario": scenario,
        "e_c": "buttonClick",
        "n": 5,
        "ok": True,
        "tag": "buy",
        "none": None,
        "list": [1],
        "parameters": {"memberId": "7", "tag": "named", "deep": {}},
    }
    found = scenario_parameters(candidate)
    event = collected(read_event(candidate), request(), DESKTOP, "KR", "user", "session", parameters=found)
    stored = json.loads(encode_collected(event))
    assert (stored["scenario_id"], stored["tag"]) == (5, "buy")
    assert stored["parameters"] == {"e_c": "buttonClick", "n": 5, "ok": True, "memberId": "7", "tag": "named"}


@pytest.mark.parametrize("scenario", [None, ""])
def test_without_a_scenario_nothing_further_is_stored(scenario: str | None) -> None:
    stored = json.loads(encode_collected(record({"path": "/", "scenario": scenario, "e_c": "x"})))
    assert not {"scenario_id", "parameters"} & stored.keys()


@pytest.mark.parametrize("scenario", [0, -1, "0", "five", "5.0", "٥", 10**18, True, 5.0])
def test_what_is_no_scenario_is_refused(scenario: Any) -> None:
    with pytest.raises(NotAnEvent) as caught:
        read_event({"path": "/", "scenario": scenario})
    assert caught.value.reason == "wrong_type"
