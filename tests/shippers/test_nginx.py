"""The tracking server of shippers/nginx, on a real NGINX."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.nginx import CONFIGURATION, Nginx

GIF = b"GIF89a"
REFERENCE = (
    "/5?e_c=buttonClick&e_a=Clicked&e_n=\\uace0\\uba74\\ud560\\ub2f9\\ud558\\uae30&url=http://shop/product_detail/name"
    "&urlref=http://shop/&_idn=0&cookie=1&res=1920x1080&memberId=123456"
)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx") as running:
        yield running


def request(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: t", "Connection: close", *headers, "", ""]).encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_a_tracking_request_gets_a_pixel_that_nobody_caches_and_its_line_has_all_it_sent(nginx: Nginx) -> None:
    answer = nginx.send(request(f"GET {REFERENCE}", "Referer: http://shop/", 'User-Agent: a"b\\c\x01'))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (status(answer), body[:6], len(body)) == (200, GIF, 43)
    assert b"Cache-Control: no-store" in head
    assert b"Cross-Origin-Resource-Policy: cross-origin" in head
    assert re.search(rb"Server: nginx\r", head), "without its version"

    (record,) = nginx.logged(1)
    assert record["request_uri"] == REFERENCE
    assert (record["method"], record["status"], record["bytes"]) == ("GET", 200, 43)
    assert (record["remote_addr"], record["referer"], record["agent"]) == ("127.0.0.1", "http://shop/", 'a"b\\c\x01')
    assert re.fullmatch(r"[0-9a-f]{32}", record["request_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", record["time"])
    assert isinstance(record["msec"], float)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request("HEAD /5?e_c=x"), 200),
        (request("GET /5?e_c=x&send_image=0"), 204),
        (request("GET /5?" + "a" * 8000), 200),
        (request("GET /5?" + "a" * 8300), 414),
        (request("GET /5", "X: " + "a" * 8300), 400),
        (request("POST /5?e_c=x", "Content-Length: 0"), 405),
        (request("DELETE /5"), 405),
        (request("GET /"), 404),
        (request("GET /5/6"), 404),
        (request("GET /=204"), 404),
        (request("GET /%35"), 200),
        (request("GET /1234567890123456789"), 404),
        (b"\x16\x03\x01\x00\r\n\r\n", 400),
        (request("GET /5?\xea\xb3\xa0\xff"), 200),
    ],
)
def test_whatever_is_asked_makes_one_line_of_json_with_its_status(nginx: Nginx, sent: bytes, expected: int) -> None:
    assert status(nginx.send(sent)) == expected
    assert [each["status"] for each in nginx.logged(1)] == [expected]


def test_probes_are_answered_and_not_logged(nginx: Nginx) -> None:
    assert nginx.send(request("GET /healthz")).endswith(b"ok\n")
    assert nginx.records() == []


@pytest.mark.parametrize("target", ["/5?a=1", "/5?send_image=0", "/nothing"])
def test_an_address_that_asks_too_often_gets_429_whatever_it_asks(nginx: Nginx, target: str) -> None:
    every = [f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode()] * 299
    answers = nginx.send(*every, request(f"GET {target}"))
    refused = answers.count(b"HTTP/1.1 429")
    assert 100 < refused < 200
    assert sum(each["status"] == 429 for each in nginx.logged(300)) == refused


def test_no_line_is_lost_when_the_log_is_rotated(tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", unlimited=True) as nginx:
        for number in range(3):
            nginx.track([f"/5?n={number * 200 + each}" for each in range(200)])
            nginx.rotate()
        nginx.track(["/5?n=600"])
        assert [each["request_uri"] for each in nginx.logged(601)] == [f"/5?n={number}" for number in range(601)]
        assert len({each["request_id"] for each in nginx.records()}) == 601
        assert len(list(nginx.logs.iterdir())) == 4


def test_the_rotation_neither_compresses_nor_copies_what_shippers_still_read() -> None:
    rules = (CONFIGURATION.parent / "logrotate").read_text(encoding="utf-8").split("{", 1)[1]
    assert "nocompress" in rules
    assert "copytruncate" not in rules
    assert "kill -USR1" in rules
