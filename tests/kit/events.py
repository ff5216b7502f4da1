"""Raw event values, valid and invalid, each with its expected outcome.

`reason` is None for a value that must be counted, otherwise the reason under which it must be in the dead letters. The
expectations are those of a strict reader of docs/records.md: strings are strings, duration_ms is an integer >= 0,
timestamps are RFC 3339 with an offset. Where the page does not decide, a comment says what was chosen.

`valid_values` and `invalid_values` build the tables around one event time, so that all fall into a window of the
test's choice. Those with reason `future` lie ahead of it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

NEEDED = ("timestamp", "user_id", "session_id", "event_type", "page_url", "referrer", "device_type", "duration_ms")
NEEDED_STRINGS = NEEDED[1:-1]
_LARGE = 900_000


@dataclass(frozen=True)
class RawEvent:
    """A record value and its expected outcome. The name is for messages and test ids."""

    name: str
    value: bytes | None
    reason: str | None = None


def event(at: datetime, **changes: object) -> dict[str, object]:
    """A complete event at that time; `changes` replace fields."""
    complete: dict[str, object] = {
        "event_id": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": timestamp(at),
        "user_id": "user_42",
        "session_id": "sess_abc123def456",
        "event_type": "page_view",
        "page_url": "/products/laptop",
        "page_category": "electronics",
        "referrer": "google.com",
        "device_type": "mobile",
        "country": "US",
        "duration_ms": 2500,
    }
    return {**complete, **changes}


def event_value(at: datetime, **changes: object) -> bytes:
    """`event`, encoded."""
    return json.dumps(event(at, **changes), ensure_ascii=False, separators=(",", ":")).encode()


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def valid_values(at: datetime) -> tuple[RawEvent, ...]:
    """Values that must be counted. `at` needs a year that has four digits in every zone."""
    at = at.astimezone(UTC)
    utc, seconds = timestamp(at), at.strftime("%Y-%m-%dT%H:%M:%S")
    kolkata = at.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(timespec="milliseconds")
    new_york = at.astimezone(timezone(-timedelta(hours=5))).isoformat(timespec="milliseconds")
    plain = event_value(at)
    only_needed = {name: value for name, value in event(at).items() if name in NEEDED}
    backwards = dict(reversed(event(at).items()))

    def stamped(text: str) -> bytes:
        return event_value(at, timestamp=text)

    return (
        RawEvent("plain", plain),
        RawEvent("only the needed fields", json.dumps(only_needed).encode()),
        RawEvent("fields in another order", json.dumps(backwards).encode()),
        RawEvent("white space", b" \r\n\t" + json.dumps(event(at), indent=4).encode() + b"\n"),
        RawEvent(
            "unknown fields", event_value(at, campaign="spring", tags=["a", {"b": None}], nested={"a": {"b": [1.5]}})
        ),
        RawEvent("unneeded fields of any type", event_value(at, event_id=7, page_category=None, country=["US"])),
        RawEvent("unknown event type and device", event_value(at, event_type="refund", device_type="fridge")),
        RawEvent("empty strings", event_value(at, user_id="", session_id="", page_url="", referrer="", event_type="")),
        RawEvent("Korean and an emoji", event_value(at, page_url="/상품/노트북", referrer="📊", user_id="사용자_1")),
        # docs/records.md: a name of more than 256 bytes counts as its first 200 and a hash.
        RawEvent("long names", event_value(at, page_url="/상품" * 60, referrer="x" * 257, event_type="é" * 129)),
        RawEvent("the longest names", event_value(at, page_url="/" * 8192, device_type="m" * 8192, user_id="u" * 8192)),
        RawEvent("unicode escapes", plain.replace(b'"user_42"', b'"\\u0075ser_\\uD55C\\uD83D\\uDE00"')),
        RawEvent("an escaped field name", plain.replace(b'"user_id"', b'"\\u0075ser_id"')),
        RawEvent("a zero character in a string", plain.replace(b'"user_42"', b'"user\\u0000"')),
        # JSON leaves it open; every common parser lets the last one win.
        RawEvent("a field twice", plain.replace(b'"user_id":', b'"user_id":"first","user_id":')),
        RawEvent("a field twice, first of a wrong type", plain.replace(b'"user_id":', b'"user_id":7,"user_id":')),
        RawEvent("no duration", event_value(at, duration_ms=0)),
        RawEvent("the largest integer JavaScript has", event_value(at, duration_ms=2**53 - 1)),
        # JSON has one kind of number; Spark, pandas and JavaScript write whole ones like this.
        RawEvent("a whole float", event_value(at, duration_ms=2500.0)),
        RawEvent("an exponent", plain.replace(b"2500", b"25e2")),
        RawEvent("an exponent and a fraction", plain.replace(b"2500", b"2.500E+3")),
        # The output of JSON.stringify before 2019 for a text that was cut inside an emoji.
        RawEvent("half a surrogate pair in an unknown field", plain[:-1] + rb',"title":"Great \ud83d"}'),
        RawEvent("half a surrogate pair deep in an unknown field", plain[:-1] + rb',"tags":[{"\ude00":["\uD83D"]}]}'),
        RawEvent("half a surrogate pair in a counted field", plain.replace(b"user_42", rb"user \ud83d")),
        RawEvent("an unknown field of 900 kB", event_value(at, note="x" * _LARGE)),
        RawEvent("an unknown field, 100 levels deep", plain[:-1] + b',"deep":' + b"[" * 100 + b"]" * 100 + b"}"),
        RawEvent("no fraction", stamped(f"{seconds}Z")),
        RawEvent("one digit of a fraction", stamped(f"{seconds}.0Z")),
        RawEvent("nine digits of a fraction", stamped(f"{seconds}.123456789Z")),
        RawEvent("twenty digits of a fraction, cut and not rounded", stamped(f"{seconds}.{'9' * 20}Z")),
        RawEvent("an offset east of UTC", stamped(kolkata)),
        RawEvent("an offset west of UTC", stamped(new_york)),
        RawEvent("offset +00:00", stamped(f"{seconds}+00:00")),
        # RFC 3339 §4.3: the time in UTC is known, the local offset is not.
        RawEvent("offset -00:00", stamped(f"{seconds}-00:00")),
        # RFC 3339 §5.6: "T" and "Z" may alternatively be lower case.
        RawEvent("lower case t and z", stamped(utc.lower())),
        # RFC 3339 §5.6: applications may write a space instead of the "T".
        RawEvent("a space instead of T", stamped(utc.replace("T", " "))),
        RawEvent("a space and an offset, as Python's str() writes it", stamped(str(at))),
        RawEvent("an offset without colon", stamped(f"{seconds}.123+0000")),
    )


def invalid_values(at: datetime) -> tuple[RawEvent, ...]:
    """Values that must be in the dead letters, each with its reason."""
    return (*_not_json(at), *_not_object(at), *_missing(at), *_wrong_types(at), *_bad_timestamps(at), *_future(at))


def _not_json(at: datetime) -> tuple[RawEvent, ...]:
    plain = event_value(at)
    values: tuple[tuple[str, bytes | None], ...] = (
        ("no value (a tombstone)", None),
        ("an empty value", b""),
        ("white space only", b" \n"),
        ("text", b"not json"),
        ("a log line", b'64.79.193.226 - - [21/Jan/2026] "GET / HTTP/1.1" 200'),
        ("cut off", plain[:-20]),
        ("two objects", plain + plain),
        ("something behind the object", plain + b" x"),
        ("a comma before the brace", plain[:-1] + b",}"),
        ("single quotes", plain.replace(b'"', b"'")),
        ("a comment", plain + b" // mobile"),
        ("an unquoted name", plain.replace(b'"user_id"', b"user_id")),
        ("a raw line break in a string", plain.replace(b"user_42", b"user\n42")),
        ("an unknown escape", plain.replace(b"user_42", b"user\\x42")),
        ("NaN", plain.replace(b"2500", b"NaN")),
        ("Infinity", plain.replace(b"2500", b"-Infinity")),
        ("a leading zero", plain.replace(b"2500", b"02500")),
        ("a leading plus", plain.replace(b"2500", b"+2500")),
        ("a hexadecimal number", plain.replace(b"2500", b"0x9c4")),
        ("invalid UTF-8", plain.replace(b"user_42", b"user_\xff\xfe")),
        ("UTF-8 that is cut off", plain.replace(b"user_42", b"user_\xed\x95")),
        ("an overlong UTF-8 sequence", plain.replace(b"user_42", b"user_\xc0\xaf")),
        ("half a surrogate pair in UTF-8", plain.replace(b"user_42", b"user_\xed\xa0\x80")),
        ("Latin-1", plain.replace(b"user_42", "usér".encode("latin-1"))),
        ("UTF-16", plain.decode().encode("utf-16")),
        # RFC 8259 §8.1: a text must not begin with one; ignoring it is allowed. Chosen: it is not JSON.
        ("a byte order mark", b"\xef\xbb\xbf" + plain),
        ("binary", bytes(range(256))),
        ("a zero byte", plain + b"\x00"),
        ("brackets that never close", b"[" * 50_000),
        ("900 kB that are not JSON", b"x" * _LARGE),
        ("900 kB cut off", event_value(at, note="x" * _LARGE)[:-5]),
    )
    return tuple(RawEvent(name, value, "not_json") for name, value in values)


def _not_object(at: datetime) -> tuple[RawEvent, ...]:
    plain = event_value(at)
    values = {
        "an empty array": b"[]",
        "an array of events": b"[" + plain + b"," + plain + b"]",
        "an array of the fields' values": json.dumps(list(event(at).values())).encode(),
        "a string": b'"page_view"',
        "an event inside a string": json.dumps(plain.decode()).encode(),
        "an integer": b"42",
        "a float": b"1.5e3",
        "true": b"true",
        "null": b"null",
        "an array of 900 kB": b"[" + b"1," * (_LARGE // 2) + b"1]",
    }
    return tuple(RawEvent(name, value, "not_object") for name, value in values.items())


def _missing(at: datetime) -> tuple[RawEvent, ...]:
    cases = [
        RawEvent(f"no {name}", json.dumps({k: v for k, v in event(at).items() if k != name}).encode(), "missing_field")
        for name in NEEDED
    ]
    large = {name: value for name, value in event(at, note="x" * _LARGE).items() if name != "user_id"}
    return (
        *cases,
        RawEvent("an empty object", b"{}", "missing_field"),
        RawEvent("names in upper case", event_value(at).replace(b'"user_id"', b'"USER_ID"'), "missing_field"),
        RawEvent("900 kB without a needed field", json.dumps(large).encode(), "missing_field"),
    )


def _wrong_types(at: datetime) -> tuple[RawEvent, ...]:
    no_strings: dict[str, object] = {"null": None, "5": 5, "1.5": 1.5, "true": True, "[]": [], "{}": {}}
    no_integers: dict[str, object] = {
        "null": None,
        "a string": "2500",
        "an empty string": "",
        "true": True,
        "false": False,
        "[]": [],
        "{}": {},
        "a fraction": 2500.5,
        "negative": -1,
        # More than 64 bits: no counter can hold it.
        "2 to the 64th": 2**64,
        "10 to the 30th": 10**30,
    }
    numbers = {"5000 digits": b"9" * 5000, "an exponent beyond double": b"1e400"}
    plain = event_value(at)
    return (
        *(
            RawEvent(f"{name} is {what}", event_value(at, **{name: value}), "wrong_type")
            for name in ("timestamp", *NEEDED_STRINGS)
            for what, value in no_strings.items()
        ),
        *(
            RawEvent(f"duration_ms is {what}", event_value(at, duration_ms=value), "wrong_type")
            for what, value in no_integers.items()
        ),
        *(
            RawEvent(f"duration_ms is {what}", plain.replace(b"2500", text), "wrong_type")
            for what, text in numbers.items()
        ),
        RawEvent("the timestamp is a number of milliseconds", event_value(at, timestamp=1729938645123), "wrong_type"),
        RawEvent("a field twice, last of a wrong type", plain.replace(b"2500", b'2500,"user_id":7'), "wrong_type"),
    )


def _bad_timestamps(at: datetime) -> tuple[RawEvent, ...]:
    at = at.astimezone(UTC)
    day, clock = at.strftime("%Y-%m-%d"), at.strftime("%H:%M:%S")
    texts = {
        "empty": "",
        "a word": "yesterday",
        "no offset": f"{day}T{clock}",
        "a space and no offset": f"{day} {clock}",
        "a space before the offset": f"{day} {clock} +0900",
        "no offset, with a fraction": f"{day}T{clock}.123",
        "a day only": day,
        "a day with Z": f"{day}Z",
        "no seconds": f"{day}T{at:%H:%M}Z",
        "the basic format": at.strftime("%Y%m%dT%H%M%SZ"),
        "a week date": at.strftime("%G-W%V-%u") + f"T{clock}Z",
        "an ordinal date": at.strftime("%Y-%j") + f"T{clock}Z",
        "slashes": at.strftime("%Y/%m/%d") + f"T{clock}Z",
        "an underscore between": f"{day}_{clock}Z",
        "milliseconds since the epoch": str(int(at.timestamp() * 1000)),
        "an HTTP date": at.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "month 13": f"{at.year:04d}-13-01T{clock}Z",
        "month 00": f"{at.year:04d}-00-01T{clock}Z",
        "30 February": f"{at.year:04d}-02-30T{clock}Z",
        "29 February of a common year": f"2023-02-29T{clock}Z",
        "day 00": f"{at.year:04d}-01-00T{clock}Z",
        "hour 24": f"{day}T24:00:00Z",
        "hour 25": f"{day}T25:00:00Z",
        "minute 60": f"{day}T{at:%H}:60:00Z",
        # A leap second can only be the last one of a month (RFC 3339 §5.7), and none has been announced for years.
        "second 60": f"{day}T12:30:60Z",
        "second 61": f"{day}T12:30:61Z",
        "a fraction without digits": f"{day}T{clock}.Z",
        "a comma before the fraction": f"{day}T{clock},123Z",
        "an offset of hours only": f"{day}T{clock}+09",
        "an offset of 24 hours": f"{day}T{clock}+24:00",
        "an offset of 60 minutes": f"{day}T{clock}+00:60",
        "an offset with seconds": f"{day}T{clock}+09:00:30",
        "two offsets": f"{day}T{clock}Z+00:00",
        "the name of a zone": f"{day}T{clock} UTC",
        "a zone behind the offset": f"{day}T{clock}+09:00[Asia/Seoul]",
        "a space in front": f" {day}T{clock}Z",
        "a line break behind": f"{day}T{clock}Z\n",
        "a year of five digits": f"10000-01-01T{clock}Z",
        "a year with a sign": f"+2024-01-01T{clock}Z",
        "a negative year": f"-001-01-01T{clock}Z",
        "a year of two digits": f"24-10-26T{clock}Z",
        "one digit of an hour": f"{day}T9:05:00Z",
        "Arabic digits": f"{day}T{clock}Z".translate({ord("0") + n: 0x660 + n for n in range(10)}),
        "full width digits": f"{day}T{clock}Z".translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
        "a long one": "2" * 10_000,
    }
    return tuple(
        RawEvent(f"timestamp: {what}", event_value(at, timestamp=text), "bad_timestamp") for what, text in texts.items()
    )


def _future(at: datetime) -> tuple[RawEvent, ...]:
    """Good timestamps, further ahead of the record's own than MAX_CLOCK_SKEW; write the records with timestamp=`at`."""
    return (
        RawEvent("an hour ahead", event_value(at + timedelta(hours=1)), "future"),
        RawEvent("the year 9999", event_value(at, timestamp="9999-12-31T23:59:59.999Z"), "future"),
        # Beyond year 9999 in UTC, though written with four digits.
        RawEvent("past the year 9999", event_value(at, timestamp="9999-12-31T23:59:59.999-12:00"), "future"),
    )
