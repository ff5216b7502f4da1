"""What a request asks for."""

import pytest
from starlette.requests import Request

from clickstream_web.errors import Refused
from clickstream_web.requests import Query, accepts_gzip, field, language, preferred_language

LANGUAGES = ("en", "ko")


def request(query: str = "", *lines: tuple[str, str]) -> Request:
    headers = [(name.lower().encode(), value.encode()) for name, value in lines]
    return Request({"type": "http", "headers": headers, "query_string": query.encode(), "path": "/", "method": "GET"})


def test_header_lines_of_one_name_are_one_list() -> None:
    asked = request("", ("Accept-Encoding", "br"), ("X", "1"), ("accept-encoding", "gzip, x"))
    assert field(asked, "Accept-Encoding") == "br, gzip, x"
    assert field(asked, "None") == ""
    assert accepts_gzip(asked)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0", False),
        ("x-gzips", False),
        ("", False),
    ],
)
def test_an_answer_is_gzipped_for_clients_that_accept_it(accepted: str, packed: bool) -> None:
    assert accepts_gzip(request("", ("Accept-Encoding", accepted))) is packed


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr, ko;q=0.3", "ko"),
        ("en;q=0.5, ko;q=0.7", "ko"),
        ("ko;q=0", None),
        ("fr-FR", None),
        ("", None),
        ("*", None),
    ],
)
def test_the_browser_chooses_the_language(accepted: str, language: str | None) -> None:
    assert preferred_language(accepted, LANGUAGES) == language


def test_the_address_chooses_over_the_browser_and_that_over_the_setting() -> None:
    korean = ("Accept-Language", "ko")
    assert language(request("lang=en", korean), LANGUAGES, "ko") == "en"
    assert language(request("lang=fr", korean), LANGUAGES, "en") == "ko"
    assert language(request(""), LANGUAGES, "ko") == "ko"


def test_parameters_are_parsed_and_have_defaults() -> None:
    query = Query(request("limit=7&empty="), "limit", "empty", "other")
    assert (query.value("limit", int, 1), query.value("other", int, 1), query.value("empty", str, "x")) == (7, 1, "")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("limit=x", "limit=x: invalid literal"),
        ("limit=1&limit=2", "limit=2: given twice"),
        ("since=1", "since=1: unknown parameter; expected limit"),
        ("&".join(f"a{n}=1" for n in range(21)), "expected at most 20 parameters"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(text: str, error: str) -> None:
    with pytest.raises(Refused) as raised:
        Query(request(text), "limit").value("limit", int, 1)
    assert error in raised.value.answer["error"]
