"""Records as requests: the three shapes of access logs, events, what is left out, and what is refused and why."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from clickstream_scenarios.errors import InvalidRequest
from clickstream_scenarios.requests import LeftOut, Request, read_access_log, read_event

ARRIVED = 1_795_773_600_000
TARGET = "/5?e_c=buttonClick&e_n=%EA%B3%A0%EB%A9%B4&memberId=123456"

FLUENTD = {
    "remote": "203.0.113.7",
    "host": "-",
    "user": "-",
    "method": "GET",
    "path": TARGET,
    "code": "200",
    "size": "43",
    "referer": "http://shop.example/",
    "agent": "Mozilla/5.0",
    "http_x_forwarded_for": "-",
}
"""As fluent-plugin-kafka writes what `@type nginx` parsed: without a time."""

FLUENT_BIT = {**FLUENTD, "@timestamp": 1_795_773_600.0}
NGINX = {
    "time": "2026-11-27T19:00:00+09:00",
    "remote_addr": "203.0.113.7",
    "method": "GET",
    "request_uri": TARGET,
    "status": 200,
    "request_id": "0123456789abcdef0123456789abcdef",
}


def read(record: Mapping[str, Any] | bytes) -> Request | LeftOut:
    return read_access_log(record if isinstance(record, bytes) else json.dumps(record).encode(), ARRIVED)


def refused(record: Mapping[str, Any] | bytes) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read(record)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("record", [FLUENTD, FLUENT_BIT, NGINX], ids=["fluentd", "fluent-bit", "nginx"])
def test_the_shapes_of_an_access_log(record: Mapping[str, Any]) -> None:
    request = read(record)
    assert isinstance(request, Request)
    assert (request.scenario_id, request.time, request.method, request.path) == (5, ARRIVED, "GET", "/5")
    assert request.parameters == {"e_c": "buttonClick", "e_n": "고면", "memberId": "123456"}
    assert request.member_id == "123456"
    assert request.request_id == record.get("request_id", "")


@pytest.mark.parametrize(
    ("changes", "scenario_id"),
    [
        ({"request_uri": "/0005"}, 5),
        ({"request_uri": "/5?"}, 5),
        ({"method": "HEAD"}, 5),
        ({"status": "304"}, 5),
        ({"request_uri": "/" + "9" * 18}, 10**18 - 1),
        ({"request_uri": "/" + "9" * 5000}, -1),
    ],
)
def test_requests_of_scenarios(changes: dict[str, Any], scenario_id: int) -> None:
    request = read({**NGINX, **changes})
    assert isinstance(request, Request)
    assert request.scenario_id == scenario_id


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"request_uri": "/"}, LeftOut.OTHER_PATH),
        ({"request_uri": "/5/6"}, LeftOut.OTHER_PATH),
        ({"request_uri": "/5/"}, LeftOut.OTHER_PATH),
        ({"request_uri": "/favicon.ico", "method": None}, LeftOut.OTHER_PATH),
        ({"request_uri": "/٥"}, LeftOut.OTHER_PATH),
        ({"request_uri": ""}, LeftOut.OTHER_PATH),
        ({"method": "POST"}, LeftOut.OTHER_METHOD),
        ({"method": "get"}, LeftOut.OTHER_METHOD),
        ({"status": 404}, LeftOut.FAILED),
        ({"status": "499"}, LeftOut.FAILED),
        ({"status": 0}, LeftOut.FAILED),
        ({"status": 400, "request_uri": None, "method": None, "time": "soon"}, LeftOut.FAILED),
        ({"status": 503}, LeftOut.FAILED),
    ],
)
def test_what_is_no_request_of_a_scenario_is_left_out(changes: dict[str, Any], why: LeftOut) -> None:
    assert read({**NGINX, **changes}) is why


@pytest.mark.parametrize(
    ("record", "reason", "message"),
    [
        (b"", "not_json", "not JSON"),
        (b"203.0.113.7 - - [27/Nov/2026", "not_json", "not JSON"),
        (b"[" * 1200 + b"1", "not_json", "nested"),
        (b"[1]", "not_object", "object"),
        (b'"text"', "not_object", "object"),
        (b"null", "not_object", "object"),
        ({"message": "a line"}, "missing_field", "path (or request_uri) is missing"),
        ({**NGINX, "request_uri": 5}, "missing_field", "path (or request_uri) must be text, not 5"),
        ({**NGINX, "method": None}, "missing_field", "method is missing"),
        ({**NGINX, "status": None}, "missing_field", "code (or status) is missing"),
        ({**NGINX, "status": "ok"}, "missing_field", "code (or status) must be a number, not 'ok'"),
        ({**NGINX, "time": "soon"}, "bad_timestamp", "time 'soon' is not an RFC 3339"),
        ({**NGINX, "time": [1]}, "bad_timestamp", "time [1] is neither text nor a number"),
    ],
)
def test_what_can_not_be_judged_is_refused_with_its_reason(record: Any, reason: str, message: str) -> None:
    found = refused(record)
    assert found[0] == reason
    assert message in found[1]


def test_a_record_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no value"):
        read_access_log(None, ARRIVED)


def test_a_refused_request_keeps_its_id() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({**NGINX, "time": "soon"})
    assert caught.value.request_id == NGINX["request_id"]


@pytest.mark.parametrize("time", [None, ""])
def test_a_log_without_a_time_has_that_of_its_record(time: str | None) -> None:
    request = read({**NGINX, "time": time})
    assert isinstance(request, Request)
    assert request.time == ARRIVED


def test_bytes_that_are_no_utf_8_become_replacement_characters() -> None:
    """NGINX's escape=json leaves bytes above 127 as they are."""
    record = json.dumps({**NGINX, "request_uri": "/5?a=XX&b=1"}).encode().replace(b"XX", b"\xb0\xed")
    request = read(record)
    assert isinstance(request, Request)
    assert request.parameters == {"a": "��", "b": "1"}


def test_a_request_of_eight_kilobytes_is_read_whole() -> None:
    value = "고" * 900
    request = read({**NGINX, "request_uri": "/5?a=" + value.encode().hex("%").join(("%", "")) + "&b=1"})
    assert isinstance(request, Request)
    assert request.parameters == {"a": value, "b": "1"}


EVENT = {
    "timestamp": "2026-11-27T10:00:00.000Z",
    "event_type": "click",
    "user_id": "u1",
    "page_url": "/cart",
    "duration_ms": 5,
    "scenario_id": 5,
    "parameters": {"e_c": "buttonClick", "memberId": 7, "page_url": "/other", "nested": {"a": 1}},
}


def event(**changes: Any) -> Request | LeftOut:
    return read_event(json.dumps({**EVENT, **changes}).encode(), ARRIVED + 1)


def test_an_event_has_its_parameters_and_its_fields() -> None:
    request = event()
    assert isinstance(request, Request)
    assert (request.scenario_id, request.time, request.method, request.path) == (5, ARRIVED, None, None)
    assert request.member_id == "7"
    assert request.parameter("page_url") == "/other"
    assert request.parameter("duration_ms") == 5
    assert request.parameter("nested") is None


@pytest.mark.parametrize("value", [None, b"{", b"[]", b'{"event_type": "click"}', b'{"scenario_id": null}'])
def test_an_event_without_a_scenario_is_left_out(value: bytes | None) -> None:
    assert read_event(value, ARRIVED) is LeftOut.NO_SCENARIO


def test_a_scenario_may_be_written_as_text() -> None:
    request = event(scenario_id="05")
    assert isinstance(request, Request)
    assert request.scenario_id == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scenario_id": "five"}, "unknown_scenario"),
        ({"scenario_id": 5.5}, "unknown_scenario"),
        ({"scenario_id": True}, "unknown_scenario"),
        ({"timestamp": None}, "missing_field"),
        ({"timestamp": "soon"}, "bad_timestamp"),
    ],
)
def test_an_event_that_can_not_be_judged_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        event(**changes)
    assert caught.value.reason == reason


def test_half_an_emoji_in_an_event_is_a_replacement_character() -> None:
    request = read_event(rb'{"scenario_id": 5, "timestamp": "2026-11-27T10:00:00Z", "a": "\ud83d"}', 0)
    assert isinstance(request, Request)
    assert request.parameter("a") == "�"
