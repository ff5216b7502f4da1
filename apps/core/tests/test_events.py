import json
from datetime import UTC, datetime

import pytest

from clickstream_core.errors import InvalidEvent
from clickstream_core.events import LONGEST_FIELD, Event, decode_event, encode_event
from clickstream_core.timestamps import parse_timestamp
from kit.events import RawEvent, event_value, invalid_values, valid_values

AT = datetime(2024, 10, 26, 10, 30, 45, 123000, tzinfo=UTC)
AT_MS = 1_729_938_645_123
# What the timestamp's text and the record's own timestamp decide is not the decoder's.
UNDECODABLE = [raw for raw in invalid_values(AT) if raw.reason not in ("bad_timestamp", "future")]
BAD_TIMESTAMPS = [raw for raw in invalid_values(AT) if raw.reason == "bad_timestamp"]


def by_name(raw: RawEvent) -> str:
    return raw.name


@pytest.mark.parametrize("raw", valid_values(AT), ids=by_name)
def test_a_valid_event_is_decoded(raw: RawEvent) -> None:
    event = decode_event(raw.value)
    expected = json.loads((raw.value or b"").decode())
    assert {name: getattr(event, name) for name in event.__struct_fields__} == {
        name: expected[name] for name in event.__struct_fields__
    }
    assert abs(parse_timestamp(event.timestamp) - AT_MS) < 1000


@pytest.mark.parametrize("raw", UNDECODABLE, ids=by_name)
def test_an_invalid_event_is_refused_with_its_reason(raw: RawEvent) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        decode_event(raw.value)
    assert refusal.value.reason == raw.reason
    assert 0 < len(str(refusal.value)) < 500


@pytest.mark.parametrize("raw", BAD_TIMESTAMPS, ids=by_name)
def test_a_bad_timestamp_is_found_when_it_is_parsed(raw: RawEvent) -> None:
    with pytest.raises(ValueError, match=r"is|has|names"):
        parse_timestamp(decode_event(raw.value).timestamp)


def test_a_refused_event_keeps_a_timestamp_that_can_be_read() -> None:
    with pytest.raises(InvalidEvent) as refusal:
        decode_event(event_value(AT, user_id=7))
    assert refusal.value.timestamp == AT_MS


@pytest.mark.parametrize(("length", "fine"), [(LONGEST_FIELD, True), (LONGEST_FIELD + 1, False), (900_000, False)])
def test_a_counted_field_is_bounded_in_bytes(length: int, fine: bool) -> None:
    value = event_value(AT, page_url="é" * (length // 2) + "x" * (length % 2))
    if fine:
        assert len(decode_event(value).page_url.encode()) == length
        return
    with pytest.raises(InvalidEvent, match=f"at most {LONGEST_FIELD} bytes, not {length}") as refusal:
        decode_event(value)
    assert (refusal.value.reason, refusal.value.timestamp) == ("wrong_type", AT_MS)


@pytest.mark.parametrize("before", [b"", b'"duration_ms":"first",'])
def test_half_a_surrogate_pair_is_not_strict_json(before: bytes) -> None:
    value = b"{" + before + event_value(AT).replace(b"user_42", b"\\ud800")[1:]
    with pytest.raises(InvalidEvent) as refusal:
        decode_event(value)
    assert refusal.value.reason == "not_json"


def test_what_a_producer_encodes_has_the_fields_of_the_contract_in_order() -> None:
    event = Event("id", "2024-10-26T10:30:45.123Z", "u", "s", "click", "/", "home", "direct", "mobile", "US", 5)
    encoded = encode_event(event)
    assert list(json.loads(encoded)) == [
        "event_id",
        "timestamp",
        "user_id",
        "session_id",
        "event_type",
        "page_url",
        "page_category",
        "referrer",
        "device_type",
        "country",
        "duration_ms",
    ]
    assert decode_event(encoded).duration_ms == 5
