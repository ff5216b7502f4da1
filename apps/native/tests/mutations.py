"""Events as producers write them, and as they should not: by hand and at random."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

NOW = 1_729_938_645_123
EVENT: dict[str, Any] = {
    "event_id": "0f0e0d0c-0000-4000-8000-000000000001",
    "timestamp": "2024-10-26T10:30:45.123Z",
    "user_id": "user_0001",
    "session_id": "sess_0123456789ab",
    "event_type": "page_view",
    "page_url": "/products/1",
    "page_category": "products",
    "referrer": "google.com",
    "device_type": "mobile",
    "country": "KR",
    "duration_ms": 1234,
}
USUAL = json.dumps(EVENT, separators=(",", ":")).encode()

TIMESTAMPS = [
    "2024-10-26T10:30:45Z",
    "2024-10-26T10:30:45.1Z",
    "2024-10-26t10:30:45.123456789z",
    "2024-10-26 19:30:45.123+09:00",
    "2024-10-26T19:30:45+0900",
    "2024-10-26T10:30:45-00:00",
    "2024-02-29T23:59:59.999Z",
    "2016-12-31T23:59:60Z",
    "2024-10-26T23:59:60.5Z",
    "2024-10-26T10:30:60Z",
    "2024-10-26T24:00:00Z",
    "2024-10-26T10:60:00.000Z",
    "2023-02-29T10:30:45.123Z",
    "0001-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00.000+00:01",
    "0000-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999-23:59",
    "2024-10-26T10:30:45.123",
    "2024-10-26T10:30:45.Z",
    "2024-10-26T10:30:45,123Z",
    "2024-10-26T10:30:45.123+24:00",
    "2024-10-26T10:30:45.123+09:60",
    "2024-10-26T10:30:45.123+09",
    "2024-10-26",
    "２０２４-10-26T10:30:45.123Z",
    "\0" * 16 + ":45.123Z",
    "",
    "2024-10-26T10:30:45." + "1" * 300 + "Z",
]

_NUMBERS = "0 7 00 07 -0 -1 +1 1.0 1.5 1e3 1E+3 1e400 -1e400 NaN Infinity 0x7 7. .7 1_0"
_LARGE_NUMBERS = "9223372036854775807 9223372036854775808 18446744073709551616"
DURATIONS = [*_NUMBERS.split(), *_LARGE_NUMBERS.split(), "9" * 50, '"7"', "null", "true", "[7]", "1 0", ""]

OTHER_VALUES = [
    "null",
    "true",
    "false",
    "nul",
    "True",
    "{}",
    "[]",
    "[[]]",
    '{"a":{}}',
    "[1,2,]",
    "[,]",
    '{"a":1,}',
    '{"a"}',
    "{1:2}",
    '{"a":[{"b":[0,-0,-1.5,"x"]},null]}',
    "01",
    "-",
    "--1",
    "1.",
    "1.5",
    "1e5",
    "1E-5",
    "1e",
    "-0.0",
    "1" * 400,
    "0." + "1" * 400,
    "[" * 64 + "]" * 64,
    "[" * 65 + "]" * 65,
    "[" * 500 + "]" * 500,
    "[" * 501 + "]" * 501,
    '{"a":' * 499 + "1" + "}" * 499,
    '{"a":' * 500 + "1" + "}" * 500,
    "[" * 60,
    "]",
    "}",
    "[}",
    "{]",
    '["timestamp"]',
    '{"timestamp":7}',
    "/**/1",
    "'a'",
    "\t1\r\n ",
    '{"a" :\n1 , "a":2}',
    '{"\\u0061":1}',
    '{"\\ud800":1}',
]

STRINGS = [
    '""',
    '" "',
    r'"\""',
    r'"\\"',
    r'"\/"',
    r'"\b\f\n\r\t"',
    r'"\u00e9"',
    r'"\uD83D\uDE00"',
    r'"\ud83d\ude00x"',
    '"\x7f"',
    r'"\ud83d"',
    r'"\ude00"',
    r'"\ud83dx"',
    r'"\ud83d\u0041"',
    r'"\ud83d\ud83d\ude00"',
    r'"\\ud83d"',
    r'"\\\ud83d"',
    r'"\u0000"',
    r'"\x"',
    r'"\u12"',
    r'"\u123g"',
    r'"\U0041"',
    '"\\',
    '"\\"',
    '"a\nb"',
    '"a\tb"',
    '"\x00"',
    '"\x1f"',
    '"한국어/쪽"',
    '"é"',
    '"😀"',
    r'"\ud55c"',
    '"' + "a" * 255 + '"',
    '"' + "a" * 256 + '"',
    '"' + "a" * 257 + '"',
    '"' + "한" * 85 + 'a"',
    '"' + "한" * 86 + '"',
    '"' + r"\ud55c" * 85 + '"',
    '"' + r"\ud55c" * 86 + '"',
    '"' + "a" * 8192 + '"',
    '"' + "a" * 8193 + '"',
    "7",
    "null",
    "[]",
    "{}",
    "true",
    '"a" "b"',
    '"a"b"',
    "'a'",
    "a",
    '"(other)"',
    r'"\u00e9\u20ac\uffff"',
    '"�"',
    r'"\ufffd"',
]

BROKEN = [
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"a"',
    b"{",
    b"}",
    b"nul",
    b"NaN",
    b"\xef\xbb\xbf" + USUAL,
    USUAL + b" ",
    b" \t\r\n" + USUAL,
    USUAL + b"x",
    USUAL + USUAL,
    USUAL + b"\0",
    b"\0" + USUAL,
    USUAL + b"\x0b",
    USUAL[:-1],
    USUAL[:-2],
    USUAL[1:],
    USUAL[:-1] + b",}",
    USUAL.replace(b",", b",,", 1),
    USUAL.replace(b":", b"::", 1),
    USUAL.replace(b":", b"=", 1),
    USUAL.replace(b"{", b"{,", 1),
    USUAL.decode().encode("utf-16"),
    USUAL.decode().encode("utf-8-sig"),
    USUAL.replace(b"KR", b"\xff\xfe"),
    USUAL.replace(b"KR", b"\xc0\x80"),
    USUAL.replace(b"KR", b"\xed\xa0\x80"),
    USUAL.replace(b"KR", b"\xf4\x90\x80\x80"),
    USUAL.replace(b"user_0001", b"\xe9"),
    USUAL.replace(b"country", b"c\xff"),
    USUAL.replace(b"KR", b"\xf0\x9f\x98"),
    USUAL.replace(b"google", "구글".encode("euc-kr")),
    b"[" + USUAL + b"]",
    USUAL.replace(b"user_id", b"USER_ID"),
    USUAL.replace(b"user_id", b"user_id "),
    USUAL.replace(b"user_id", b""),
    USUAL.replace(b"user_id", b"user\\u005fid"),
    USUAL.replace(b"country", b"coun\\u0074ry"),
    USUAL.replace(b"country", b"user_id"),
    USUAL.replace(b"country", b"\x01"),
    USUAL.replace(b"country", b"\\ud800"),
    b"\x1f\x8b\x08garbage",
    b"<html>",
    bytes(range(256)),
]


def text_of(fields: Sequence[tuple[str, str]], comma: str = ",", colon: str = ":") -> bytes:
    """Return the JSON object of fields whose values are JSON already."""
    return ("{" + comma.join(f'"{name}"{colon}{value}' for name, value in fields) + "}").encode(
        "utf-8", "surrogatepass"
    )


def fields_of(event: dict[str, Any] = EVENT) -> list[tuple[str, str]]:
    return [(name, json.dumps(value)) for name, value in event.items()]


def odd_values() -> list[bytes | None]:
    """Return values of records, each odd in another way."""
    odd: list[bytes | None] = [None, USUAL, *BROKEN]
    for name in EVENT:
        choices = [*STRINGS, *DURATIONS, *OTHER_VALUES] + (
            [json.dumps(text) for text in TIMESTAMPS] if name == "timestamp" else []
        )
        for value in choices:
            odd.append(text_of([(each, value if each == name else text) for each, text in fields_of()]))
            odd.append(text_of([(name, value), *fields_of()]))  # repeated, the last one counts
            odd.append(text_of([*fields_of(), (name, value)]))
        odd.append(text_of([(each, text) for each, text in fields_of() if each != name]))
    odd.extend(
        text_of(fields_of(), comma, colon) for comma in (" ,\n", "\t,\r", ", ") for colon in (" : ", ":\t", ": ")
    )
    odd.extend(text_of([*fields_of(), ("more", value)]) for value in (*OTHER_VALUES, *STRINGS))
    odd.append(json.dumps(EVENT | {"page_url": "/쪽/😀"}).encode())
    odd.append(json.dumps(EVENT | {"page_url": "/쪽/😀"}, ensure_ascii=False).encode())
    return odd


def random_value(random: Random) -> bytes | None:
    """Return a usual event, one of other values, or one that is damaged."""
    kind = random.random()
    if kind < 0.01:
        return random.choice([None, *BROKEN])
    fields = fields_of(_another_event(random))
    for _ in range(random.choice([0, 0, 0, 0, 1, 1, 2])):
        _change(random, fields)
    comma, colon = random.choice([(",", ":"), (",", ":"), (", ", ": "), (" , ", " : "), ("\n,\t", "\r:")])
    value = text_of(fields, comma, colon)
    return damaged(random, value) if random.random() < 0.15 else value


def damaged(random: Random, value: bytes) -> bytes:
    """Return the bytes with one to four places changed, cut out, doubled or cut off."""
    changed = bytearray(value)
    for _ in range(random.randint(1, 4)):
        at, size = random.randrange(len(changed) + 1), random.choice([1, 1, 2, 8, 30])
        match random.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                changed[at : at + 1] = random.choice(
                    [b'"', b"\\", b",", b":", b"{", b"}", b"[", b"0", b"e", b" ", b"\\u", b"\x80", b"\xff", b"\0"]
                )
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at:at] = bytes(random.randrange(256) for _ in range(size))
            case 5 if random.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def random_timestamp(random: Random) -> int:
    """Return a record timestamp: near NOW, or any 64-bit number."""
    if random.random() < 0.95:
        return NOW + random.randrange(-70_000, 100_000)
    return random.choice(
        [-1, 0, -(2**63), 2**63 - 1, 10**17, -(10**17) - 1, 253_402_300_799_999, random.getrandbits(64) - 2**63]
    )


def _another_event(random: Random) -> dict[str, Any]:
    second = random.randrange(60)
    return EVENT | {
        "timestamp": f"2024-10-26T10:{random.choice([29, 30, 30, 30, 31])}:{second:02}.{random.randrange(1000):03}Z",
        "user_id": f"user_{random.randrange(50):04}",
        "session_id": f"sess_{random.getrandbits(48) if random.random() < 0.5 else 7:012x}",
        "event_type": random.choice(["page_view", "click", "search", "구매"]),
        "page_url": random.choice(["/", "/cart", f"/products/{random.randrange(30)}", "/쪽", "/😀"]),
        "referrer": random.choice(["google.com", "direct", ""]),
        "device_type": random.choice(["mobile", "desktop", "tablet"]),
        "duration_ms": random.choice([0, 7, 1234, 2**63 - 1, random.randrange(10**6)]),
    }


def _change(random: Random, fields: list[tuple[str, str]]) -> None:
    at = random.randrange(len(fields))
    name = fields[at][0]
    value = random.choice([*STRINGS, *DURATIONS, *OTHER_VALUES, *map(json.dumps, TIMESTAMPS)])
    match random.randrange(7):
        case 0:
            fields[at] = name, value
        case 1:
            random.shuffle(fields)
        case 2:
            fields.insert(random.randrange(len(fields) + 1), fields[at])
        case 3:
            fields.insert(random.randrange(len(fields) + 1), ("more", value))
        case 4:
            fields[at] = "timestamp", json.dumps(random.choice(TIMESTAMPS))
        case 5:
            fields[at] = name, random.choice(STRINGS)
        case 6 if random.random() < 0.3:
            del fields[at]
