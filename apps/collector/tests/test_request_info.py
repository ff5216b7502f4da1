import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_collector.request_info import page_of, request_info
from clickstream_core.addresses import Proxies
from clickstream_core.timestamps import parse_timestamp

PRIVATE = Proxies([ipaddress.ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "fc00::/7")])
RECEIVED = parse_timestamp("2024-10-26T10:30:45.123Z")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example.com/a/b?secret#part", ("shop.example.com", "/a/b")),
        ("https://WWW.Shop.example.com:8443", ("shop.example.com", "/")),
        ("http://user:password@shop.example.com./x", ("shop.example.com", "/x")),
        ("android-app://com.example.mail/", ("com.example.mail", "/")),
        ("https://[2001:db8::1]:80/", ("2001:db8::1", "/")),
        ("https://xn--bcher-kva.example/", ("xn--bcher-kva.example", "/")),
        ("https://www.example.com/", ("example.com", "/")),
        ("https://www.com/", ("www.com", "/")),
        ("https://www.com./", ("www.com", "/")),
        ("https://www/", ("www", "/")),
        *(
            (each, ("", ""))
            for each in ("", "google.com", "/a", "javascript:alert(1)", "https://", "http://[", "a://b")
        ),
        ("https://shop.example.com/" + "x" * 90_000, ("shop.example.com", "/" + "x" * 2023)),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_pages_host_and_path(url: str, expected: tuple[str, str]) -> None:
    assert page_of(url) == expected


@given(st.text(max_size=50) | st.text("htps:/[]@#?.%\u2100\ud800", max_size=40).map("https://{}".format))
def test_any_text_is_a_page_or_none(url: str) -> None:
    host, path = page_of(url)
    assert bool(host) == bool(path)


def test_a_visit_has_what_the_request_contains() -> None:
    headers = {
        b"referer": b"https://www.shop.example.com/products?q=1",
        b"x-forwarded-for": b"198.51.100.1",
        b"user-agent": b"x" * 60_000,
    }
    found = request_info(headers, "10.0.0.1", PRIVATE, "shop", RECEIVED, 5)
    assert (found.address, found.host, found.path) == ("198.51.100.1", "shop.example.com", "/products")
    assert (found.site_key, found.received_at, found.sent_at) == ("shop", RECEIVED, 5)
    assert found.received == "2024-10-26T10:30:45.123Z"
    assert len(found.user_agent) == 512
    assert not found.objects


def test_the_origin_is_a_surer_host_than_the_referer() -> None:
    headers = {b"origin": b"https://shop.example.com", b"referer": b"https://other.example/x"}
    found = request_info(headers, "", PRIVATE, "", RECEIVED, None)
    assert (found.host, found.path) == ("shop.example.com", "/x")


@pytest.mark.parametrize(
    ("headers", "objects"),
    [
        ({b"dnt": b"1"}, True),
        ({b"sec-gpc": b"1"}, True),
        ({b"dnt": b"0"}, False),
        ({b"dnt": b"unspecified", b"sec-gpc": b"0"}, False),
        ({b"dnt": b"1, 1"}, True),
        ({b"sec-gpc": b"0,1 "}, True),
        ({b"dnt": b"11"}, False),
    ],
)
def test_visitors_may_object(headers: dict[bytes, bytes], objects: bool) -> None:
    assert request_info(headers, "", PRIVATE, "", RECEIVED, None).objects is objects


def test_bytes_that_are_no_text_break_nothing() -> None:
    headers = {name: bytes(range(128, 256)) for name in (b"referer", b"origin", b"x-forwarded-for", b"user-agent")}
    assert request_info(headers, "10.0.0.1", PRIVATE, "", RECEIVED, None).address == "10.0.0.1"
