import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_collector.errors import NotAnEvent, NotJson, Refused
from clickstream_collector.payloads import LARGEST_EVENT, MOST_EVENTS, decode_element, parse

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
        *(b'{"a":NaN}', b"Infinity", b"[NaN]", b"01", b"+1", b'{"a":1e999}', b'"\\ud800"', b'{"\\udfff":1}'),
        *(b'"\xff"', b'{"a":"\xed\xa0\x80"}', b'["\xc0\xaf"]', b"\xef\xbb\xbf{}", b"{}\0", b'"\n"', b'"\\x41"'),
        *("{}".encode("utf-16"), b"[" * 500_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}"),
        b'{"a":' + b"9" * 50_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_strict_json_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotJson, match="^not JSON: "):
        parse(body)


@pytest.mark.parametrize("element", [b"1e999", b"9" * 5000, b'"\\ud800"', b"[" * 5000 + b"]" * 5000])
def test_an_element_that_is_not_json_is_found_when_its_turn_comes_at_the_latest(element: bytes) -> None:
    with pytest.raises(NotJson):
        [decode_element(each) for each in parse(b"[{}," + element + b"]")]


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
@example(b'[{"a":1},"b" ')
def test_any_bytes_are_a_value_or_no_json(body: bytes) -> None:
    try:
        value = parse(body)
    except NotJson:
        return
    if not isinstance(value, list):
        json.loads(body)


def test_a_repeated_name_counts_as_its_last() -> None:
    assert parse(b'{"path":"/a","path":"/b"}') == {"path": "/b"}


def test_an_array_has_a_largest_length() -> None:
    assert len(parse(b"[" + b"0," * (MOST_EVENTS - 1) + b"0]")) == MOST_EVENTS
    with pytest.raises(Refused) as refused:
        parse(b"[" + b"0," * MOST_EVENTS + b"0]")
    assert refused.value.status == 413


def test_an_element_has_a_largest_size_in_bytes_as_sent() -> None:
    text = b'"' + b"x" * (LARGEST_EVENT - 2) + b'"'
    fits, too_large = parse(b"[ " + text + b" ,  " + text[:-1] + b'x"]')
    assert decode_element(fits) == "x" * (LARGEST_EVENT - 2)
    with pytest.raises(NotAnEvent) as refused:
        decode_element(too_large)
    assert refused.value.reason == "too_large"
