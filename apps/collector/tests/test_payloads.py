import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_collector.errors import NotAnEvent, NotJson, Refused
from clickstream_collector.payloads import MAX_EVENT_BYTES, MAX_EVENTS, decode_element, parse, text_of, with_whole_pairs
from clickstream_core.nesting import MAX_DEPTH

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(), children, max_size=5),
    max_leaves=20,
)


@given(values, st.sampled_from(["", " ", "\r\n\t"]), st.booleans())
def test_json_is_what_the_standard_library_reads(value: Any, space: str, ascii_only: bool) -> None:
    parsed = parse((space + json.dumps(value, ensure_ascii=ascii_only) + space).encode())
    if isinstance(value, list):
        assert [decode_element(element) for element in parsed] == value
    else:
        assert parsed == value


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"path=/", b"{", b'{"path":"/"', b"[", b"[1", b"[1,]", b"{}{}", b"[] []", b"[]x", b"{'a':1}"),
        *(b'{"a":NaN}', b"Infinity", b"[,1]", b"01", b"+1", b'{"a":1e999}', b"[1}", b"[[1]"),
        *(
            b'"\xff"',
            b'{"a":"\xed\xa0\x80"}',
            b'"\xc0\xaf"',
            b"[]]",
            b"\xef\xbb\xbf\xef\xbb\xbf{}",
            b"{}\0",
            b'"\n"',
            b'"\\x41"',
        ),
        *("{}".encode("utf-16"), b"[" * 500_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}"),
        b'{"a":' + b"9" * 50_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_strict_json_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotJson, match="^not JSON: "):
        parse(body)


@pytest.mark.parametrize(
    "element",
    [
        *(b"1e999", b"9" * 5000, b"NaN", b"01", b"tru", b"-", b'"\\x41"', b'"\\ud8zz"', b'"a\nb"', b'"\xff"', b"\xff"),
        *(b'{"a":}', b"{a:1}", b'{"a":"],[\\"","b":NaN}', b"{'a':1}", b"{} {}", b'{"a":[1}]', b'"\xed\xa0\x80"'),
        *(b"[" * 5000 + b"]" * 5000, b"[" * 200_000 + b"]" * 200_000, b'{"a":[' * 9000 + b"]}" * 9000),
    ],
    ids=lambda element: repr(element[:20]),
)
@pytest.mark.parametrize("others", [b'{"a":"],[\\\\"}', b'"[\\""', b"[[1],{}]", b"null"])
def test_an_element_that_is_not_json_leaves_its_neighbours_readable(element: bytes, others: bytes) -> None:
    before, broken, after = parse(b"\xef\xbb\xbf [ " + others + b" , " + element + b"\r\n," + others + b"] ")
    assert decode_element(before) == decode_element(after) == json.loads(others)
    assert bytes(broken) == element
    with pytest.raises(NotJson, match="^not JSON: "):
        decode_element(broken)


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 900, 20_000])
def test_nesting_has_the_same_limit_on_every_python(levels: int) -> None:
    lists = b"[" * (levels - 1) + b"]" * (levels - 1)
    value, (element,) = b'{"a":' + lists + b"}", parse(b'[{"a":' + lists + b"}]")
    if levels <= MAX_DEPTH:
        assert parse(value) == decode_element(element)
        return
    with pytest.raises(NotJson, match="^not JSON: nested more than 500 levels deep$"):
        parse(value)
    with pytest.raises(NotJson, match="^not JSON: nested more than 500 levels deep$"):
        decode_element(element)


def test_what_cannot_be_cut_in_little_time_is_not_json() -> None:
    for body in (b"[" + b"{}" * 499_000, b"[" + b'{"":' * 240_000, b"[1" * 333_000, b'[["' + b'\\"' * 490_000):
        with pytest.raises(NotJson):
            parse(body)


def test_an_array_that_has_to_be_cut_has_the_same_largest_length() -> None:
    assert len(parse(b"[NaN," + b"0," * (MAX_EVENTS - 2) + b"0]")) == MAX_EVENTS
    with pytest.raises(Refused):
        parse(b"[NaN," + b"0," * MAX_EVENTS + b"0]")


@given(
    st.lists(st.sampled_from(["\\ud83d", "\\uDE00", "\\\\", "u", "d83d", "\\n", "\\u0041", "\\uffff", "\\udbff", "é"]))
)
def test_half_a_surrogate_pair_is_the_replacement_character(parts: list[str]) -> None:
    text = f'{{"{"".join(parts)}":"{"".join(parts)}"}}'
    ((name, value),) = json.loads(text).items()
    expected = "".join("\ufffd" if 0xD800 <= ord(each) < 0xE000 else each for each in value)
    assert name == value
    assert parse(text.encode()) == {expected: expected}
    assert decode_element(parse(f"[{text}]".encode())[0]) == {expected: expected}
    assert json.loads(with_whole_pairs(text.encode())) == {expected: expected}


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"\xc3\xa9"', b" 5 "])
def test_a_byte_order_mark_is_no_part_of_the_text(body: bytes) -> None:
    assert parse(b"\xef\xbb\xbf" + body) == parse(body)
    assert text_of(b"\xef\xbb\xbf" + body + b"\r\n") == body.strip()


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@example(b'[{"a":1},"b" ')
def test_any_bytes_are_a_value_or_no_json(body: bytes) -> None:
    try:
        value = parse(body)
    except NotJson:
        return
    if not isinstance(value, list):
        json.loads(body.decode("utf-8-sig"))


def test_a_repeated_name_counts_as_its_last() -> None:
    assert parse(b'{"path":"/a","path":"/b"}') == {"path": "/b"}


def test_an_array_has_a_largest_length() -> None:
    assert len(parse(b"[" + b"0," * (MAX_EVENTS - 1) + b"0]")) == MAX_EVENTS
    with pytest.raises(Refused) as refused:
        parse(b"[" + b"0," * MAX_EVENTS + b"0]")
    assert refused.value.status == 413


def test_an_element_has_a_largest_size_in_bytes_as_sent() -> None:
    text = b'"' + b"x" * (MAX_EVENT_BYTES - 2) + b'"'
    fits, too_large = parse(b"[ " + text + b" ,  " + text[:-1] + b'x"]')
    assert decode_element(fits) == "x" * (MAX_EVENT_BYTES - 2)
    with pytest.raises(NotAnEvent) as refused:
        decode_element(too_large)
    assert refused.value.reason == "too_large"
