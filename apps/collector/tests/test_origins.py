import pytest

from clickstream_collector.origins import Origins
from kit.in_process import read

SHOP = b"https://shop.example.com"


def test_any_origin_may_send_when_all_are_allowed() -> None:
    origins = Origins(("*",))
    assert origins.allow(SHOP)
    assert origins.allow(b"null")
    assert dict(origins.headers(SHOP))[b"access-control-allow-origin"] == b"*"


def test_a_request_without_an_origin_is_no_pages() -> None:
    assert Origins(("*",)).headers(b"") == []
    assert Origins(("https://shop.example.com",)).allow(b"")
    assert Origins(("https://shop.example.com",)).headers(b"") == [(b"vary", b"origin")]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://shop.example.com", True),
        (b"HTTPS://SHOP.EXAMPLE.COM", True),
        (b"https://a.example.org", True),
        (b"https://a.b.example.org", True),
        (b"https://example.org", False),
        (b"http://shop.example.com", False),
        (b"https://shop.example.com:8443", False),
        (b"https://shop.example.com.evil.example", False),
        (b"https://evil.example/shop.example.com", False),
        (b"https://shopXexample.com", False),
        (b"https://evilexample.org", False),
        (b"https://evil.example#.example.org", False),
        (b"https://evil.example?.example.org", False),
        (b"https://evil@a.example.org", False),
        (b"https://a.example.org\n", False),
        (b"https://\xe9.example.org", False),
        (b"null", False),
        (b"https://" + b"a." * 40_000 + b"example.org", False),
    ],
    ids=lambda each: repr(each[:40]) if isinstance(each, bytes) else str(each),
)
def test_listed_origins_and_subdomains_may_send(origin: bytes, allowed: bool) -> None:
    origins = Origins(("https://shop.example.com", "https://*.example.org"))
    assert origins.allow(origin) is allowed
    headers = dict(origins.headers(origin))
    assert headers[b"vary"] == b"origin"
    assert headers.get(b"access-control-allow-origin") == (origin if allowed else None)


def test_a_browser_may_read_when_to_come_again() -> None:
    for origins in (Origins(("*",)), Origins(("https://shop.example.com",))):
        assert dict(origins.headers(SHOP))[b"access-control-expose-headers"] == b"retry-after"


def test_what_is_remembered_is_small() -> None:
    origins = Origins(("https://*.example.org",))
    for number in range(10):
        assert not origins.allow(b"https://%d" % number + b"x" * 60_000)
    assert origins._is_allowed.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://shop.example.com:443", b"https://shop.example.com"),
        ("https://shop.example.com.", b"https://shop.example.com"),
        ("https://shop.example.com", b"https://shop.example.com."),
        ("https://shop.example.com", b"https://shop.example.com:443"),
        ("http://*.example.com:80", b"http://a.example.com"),
        ("https://*.example.com", b"https://my_shop.example.com"),
        ("https://b\u00fccher.example", b"https://xn--bcher-kva.example"),
        ("http://[::1]:8080", b"http://[::1]:8080"),
    ],
)
def test_an_origin_is_the_same_however_it_is_written(allowed: str, origin: bytes) -> None:
    origins = Origins(read(ALLOWED_ORIGINS=allowed).allowed_origins)
    assert dict(origins.headers(origin))[b"access-control-allow-origin"] == origin
    assert not origins.allow(b"https://other.example:8443")
