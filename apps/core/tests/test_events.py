import hashlib
import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.errors import InvalidEvent
from clickstream_core.events import (
    MAX_FIELD_BYTES,
    MAX_NAME_BYTES,
    CountedEvent,
    Event,
    cut_name,
    decode_event,
    decode_events,
    encode_event,
)
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
    assert as_dict(event) == {name: as_counted(expected[name]) for name in event.__struct_fields__}
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


@pytest.mark.parametrize(("length", "fine"), [(MAX_FIELD_BYTES, True), (MAX_FIELD_BYTES + 1, False), (900_000, False)])
def test_a_counted_field_is_bounded_in_bytes(length: int, fine: bool) -> None:
    value = event_value(AT, page_url="é" * (length // 2) + "x" * (length % 2))
    if fine:
        assert len(decode_event(value).page_url.encode()) <= MAX_NAME_BYTES
        return
    with pytest.raises(InvalidEvent, match=f"at most {MAX_FIELD_BYTES} bytes, not {length}") as refusal:
        decode_event(value)
    assert (refusal.value.reason, refusal.value.timestamp) == ("wrong_type", AT_MS)


NAMES = ("event_type", "device_type", "referrer", "page_url", "user_id", "session_id")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
def test_a_name_of_more_than_256_bytes_counts_as_its_first_200_and_a_hash(name: str, character: str) -> None:
    size = len(character.encode())
    fits, long, other = (character * count for count in (256 // size, 256 // size + 1, 256 // size + 2))
    values = [event_value(AT, **{name: text}) for text in (fits, long, other, long)]
    one_by_one = [getattr(decode_event(value), name) for value in values]
    at_once = [getattr(event, name) for event in decode_events(values) or ()]
    assert one_by_one == at_once
    assert at_once[0] == fits
    assert at_once[1] == f"{character * (200 // size)}...{hashlib.sha256(long.encode()).hexdigest()[:16]}"
    assert at_once[1] == at_once[3] != at_once[2]


def test_a_long_name_is_cut_though_all_else_in_the_event_is_as_short_as_can_be() -> None:
    shortest = dict.fromkeys(CountedEvent.__struct_fields__, "") | {"duration_ms": 0}
    for name in NAMES:
        value = json.dumps(shortest | {name: "x" * (MAX_NAME_BYTES + 1)}, separators=(",", ":")).encode()
        assert getattr(decode_event(value), name) == cut_name("x" * (MAX_NAME_BYTES + 1))
        assert [getattr(event, name) for event in decode_events([value]) or ()] == [getattr(decode_event(value), name)]


@given(st.text(max_size=300))
def test_what_a_name_counts_as_has_at_most_256_bytes_and_is_the_name_where_that_is_as_short(name: str) -> None:
    counted = cut_name(name)
    assert len(counted.encode()) <= MAX_NAME_BYTES
    assert (counted == name) == (len(name.encode()) <= MAX_NAME_BYTES)


WRITTEN = [
    ("5", 5),
    ("5.0", 5),
    ("1e3", 1000),
    ("5.00E+2", 500),
    ("-0.0", 0),
    ("9223372036854775807", 2**63 - 1),
    ("9.2e18", 9_200_000_000_000_000_000),
    ("9007199254740993.0", 2**53),  # a double: a number that is written with a fraction is one
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN)
@pytest.mark.parametrize("before", [b"", b'"duration_ms":"first",'])
def test_a_whole_number_is_an_integer_however_it_is_written(text: str, expected: int, before: bytes) -> None:
    value = b"{" + before + event_value(AT).replace(b"2500", text.encode())[1:]
    duration = decode_event(value).duration_ms
    assert (type(duration), duration) == (int, expected)


@pytest.mark.parametrize(
    "text", ["5.5", "-1.0", "1e-1", "9223372036854775807.0", "9223372036854775808", "1e19", "1e400"]
)
def test_what_is_no_whole_number_up_to_64_bits_is_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="duration_ms must be an integer from 0 to") as refusal:
        decode_event(event_value(AT).replace(b"2500", text.encode()))
    assert refusal.value.reason == "wrong_type"


HALVES = [
    (rb"user\ud83d", "user\ufffd"),
    (rb"\uDE00\ud83d", "\ufffd\ufffd"),
    (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
    (rb"\ud83d\u0041", "\ufffdA"),
    (rb"\\ud83d", r"\ud83d"),
    (rb"\\\ud83d", "\\\ufffd"),
]


@pytest.mark.parametrize(("escaped", "expected"), HALVES)
@pytest.mark.parametrize("before", [b"", b'"duration_ms":"first",'])
def test_half_a_surrogate_pair_in_a_counted_name_is_the_replacement_character(
    escaped: bytes, expected: str, before: bytes
) -> None:
    value = b"{" + before + event_value(AT).replace(b"user_42", escaped)[1:]
    assert decode_event(value).user_id == expected


@pytest.mark.parametrize("ignored", [rb'"\ud83d"', rb'{"deep":["\udE00"]}', rb'{"\ud83d":1}', b"1e400", b"9" * 5000])
def test_what_is_ignored_need_not_be_text_that_can_be_written_nor_a_number_that_fits(ignored: bytes) -> None:
    assert decode_event(event_value(AT)[:-1] + b',"extra":' + ignored + b"}") == decode_event(event_value(AT))


def test_a_batch_is_decoded_as_its_values_are_one_by_one() -> None:
    values = [
        event_value(AT),
        event_value(AT, event_type="refund"),
        event_value(AT, duration_ms=5.0),
        event_value(AT).replace(b"user_42", rb"\ud83d"),
        event_value(AT, page_url="/caf\u00e9"),
    ]
    for batch in (values, values[::-1], values[2:3] * 3, values[3:4] * 3):
        decoded = decode_events(batch)
        assert decoded is not None
        assert [as_dict(event) for event in decoded] == [as_dict(decode_event(value)) for value in batch]
    for wrong in (event_value(AT, duration_ms=5.5), b"{", None, values[3][:-1], event_value(AT, user_id="x" * 9000)):
        assert decode_events([*values, wrong]) is None


def as_counted(value: object) -> object:
    return cut_name(re.sub("[\ud800-\udfff]", "\ufffd", value)) if isinstance(value, str) else value


def as_dict(event: CountedEvent) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_what_a_producer_encodes_has_the_documented_fields_in_order() -> None:
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
