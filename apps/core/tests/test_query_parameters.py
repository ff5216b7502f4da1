r"""How a parameter is decoded: what browsers, scripts and NGINX escape, alone, mixed and broken."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.query_parameters import decode, parameters

KOREAN = "고면할당하기"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a+b", "a b"),
        ("a%20b%2Bc", "a b+c"),
        (quote(KOREAN), KOREAN),
        (KOREAN, KOREAN),
        (r"\uace0\uba74\ud560\ub2f9\ud558\uae30", KOREAN),
        (r"\x5Cuace0\x5Cuba74", "고면"),
        ("%5Cuace0%5cuba74", "고면"),
        (r"\xEA\xB3\xA0\xeb\xa9\xb4", "고면"),
        ("%uACE0%uba74", "고면"),
        ("%uACE0%EB%A9%B4+x", "고면 x"),
        (r"\x22quoted\x22", '"quoted"'),
        (r"\ud83d\ude00", "😀"),
        ("%uD83D%uDE00", "😀"),
        ("%F0%9F%98%80", "😀"),
        (r"\ud83d", "�"),
        (r"\ude00x", "�x"),
        ("%uD83D", "�"),
        ("%FF%FE", "��"),
        ("%EA%B3", "�"),
        (r"\xFF", "�"),
        ("100%", "100%"),
        ("%zz%4", "%zz%4"),
        (r"\x4", r"\x4"),
        (r"\u12", r"\u12"),
        ("%u12", "%u12"),
        ("a\\b", "a\\b"),
        ("%2541", "%41"),
        ("%5Cx41", r"\x41"),
        ("%00", "\0"),
    ],
)
def test_a_value_is_decoded_once(written: str, meant: str) -> None:
    assert decode(written) == meant


@given(st.text())
def test_what_a_page_encodes_comes_back(text: str) -> None:
    if "\\u" not in text and "\\x" not in text:
        assert decode(quote(text, safe="")) == text
        assert decode(quote_plus(text)) == text


@given(st.text(alphabet="%+\\xu0123aAfFdD8고"))
def test_any_text_is_decoded_to_text_that_can_be_written(text: str) -> None:
    decode(text).encode()


@given(st.text(st.characters(min_codepoint=0x20)))
def test_text_escaped_as_in_json_comes_back(text: str) -> None:
    units = text.encode("utf-16-be")
    assert decode("".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))) == text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("a=&b", {"a": "", "b": ""}),
        ("=1&&a==2", {"a": "=2"}),
        ("%61=1&%EA%B3%A0=%41", {"a": "1", "고": "%41"}),
        ("a=%26%3D&b=1", {"a": "%26%3D", "b": "1"}),
        ("a+b=1", {"a b": "1"}),
    ],
)
def test_the_first_of_doubled_parameters_counts_and_values_wait(query: str, found: dict[str, str]) -> None:
    assert parameters(query) == found
