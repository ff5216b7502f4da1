from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from kit.in_process import InProcess, in_process


@pytest.fixture
def site() -> Iterator[InProcess]:
    with in_process() as site:
        yield site


def pixel(site: InProcess, **fields: str) -> int:
    return site.ask("GET", "/pixel.gif?" + urlencode(fields)).status


def test_it_is_a_gif_of_43_bytes_that_no_cache_keeps(site: InProcess) -> None:
    reply = site.ask("GET", "/pixel.gif?path=/mail")
    assert (reply.status, len(reply.body), reply.body[:6]) == (200, 43, b"GIF89a")
    assert reply.headers["content-type"] == "image/gif"
    assert "no-store" in reply.headers["cache-control"]


def test_parameters_are_fields(site: InProcess) -> None:
    fields = {"path": "/mail", "event_type": "purchase", "user_id": "사용자", "duration_ms": "2500", "key": "shop"}
    assert pixel(site, **fields, other="x") == 200
    (event,) = site.producer.events()
    assert (event["page_url"], event["event_type"], event["user_id"]) == ("/mail", "purchase", "사용자")
    assert (event["duration_ms"], event["site_key"]) == (2500, "shop")
    assert "other" not in event


def test_the_first_of_repeated_parameters_counts(site: InProcess) -> None:
    assert site.ask("GET", "/pixel.gif?path=/a&path=/b").status == 200
    assert site.producer.events()[0]["page_url"] == "/a"


def test_the_page_is_the_referers_without_another(site: InProcess) -> None:
    assert site.ask("GET", "/pixel.gif", referer="https://shop.example.com/cart?q").status == 200
    (event,) = site.producer.events()
    assert (event["page_url"], event["event_type"]) == ("/cart", "page_view")
    assert pixel(site) == 400


@pytest.mark.parametrize(
    "query",
    [
        *("path=/&duration_ms=-1", "path=/&duration_ms=1.5", "path=/&duration_ms=x", "path=/&duration_ms=" + "9" * 30),
        *("path=/&timestamp=now", "path=%ff", "path=%ed%a0%80", "path=/&sent_at=now", "a=1&" * 101),
    ],
)
def test_what_is_no_event_is_refused(site: InProcess, query: str) -> None:
    reply = site.ask("GET", f"/pixel.gif?{query}")
    assert (reply.status, bool(reply.error())) == (400, True)
    assert site.producer.batches == []


def test_an_address_has_a_largest_length(site: InProcess) -> None:
    assert site.ask("GET", "/pixel.gif?path=/&tag=" + "x" * 16_384).status == 414


@pytest.mark.parametrize("name", ["timestamp", "sent_at"])
def test_a_plus_that_was_not_escaped_is_one(site: InProcess, name: str) -> None:
    for offset in ("+00:00", "%2B00:00", "Z", "+09:00"):
        times = f"timestamp=2024-10-26T10:30:45.5Z&{name}=2024-10-26T10:30:45.5{offset}"
        query = times if name == "sent_at" else times.partition("&")[2]
        assert site.ask("GET", f"/pixel.gif?path=/&{query}").status == 200
    assert len(site.producer.events()) == 4


def test_header_lines_of_one_name_are_one_list_here_too(site: InProcess) -> None:
    lines = [
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"x-forwarded-for", b"10.0.0.2"),
        (b"sec-gpc", b"1"),
        (b"sec-gpc", b"1"),
    ]
    for headers in (lines[:2], lines[:1], lines):
        assert site.ask_raw("GET", "/pixel.gif?path=/", [b""], headers).status == 200
    first, second = site.producer.events()
    assert first["user_id"] == second["user_id"]


@pytest.mark.parametrize("consent", ["0", "false", "no", "DENIED"])
def test_without_consent_there_is_the_image_and_nothing_is_stored(site: InProcess, consent: str) -> None:
    assert pixel(site, path="/", consent=consent) == 200
    assert site.ask("GET", "/pixel.gif?path=/", sec_gpc="1").status == 200
    assert site.producer.batches == []
    assert pixel(site, path="/", consent="1") == 200
    assert len(site.producer.events()) == 1


def test_the_image_comes_when_kafka_has_the_event(site: InProcess) -> None:
    site.disconnect()
    reply = site.ask("GET", "/pixel.gif?path=/")
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")


def test_a_head_stores_nothing(site: InProcess) -> None:
    assert site.ask("HEAD", "/pixel.gif?path=/").body == b""
    assert site.ask("POST", "/pixel.gif?path=/").status == 405
    assert site.producer.batches == []


def test_keys_and_limits_hold_here_too() -> None:
    with in_process(SITE_KEYS="shop", LIMIT="0.01") as site:
        assert pixel(site, path="/") == 403
        assert [pixel(site, path="/", key="shop") for _ in range(3)][::2] == [200, 429]


def test_a_tracking_request_is_an_event_with_its_scenario_and_all_its_parameters(site: InProcess) -> None:
    request = (
        r"/5?e_c=buttonClick&e_n=\uace0\uba74&url=http://shop.example/product_detail/1?q=2"
        "&urlref=http://other.example/&res=1920x1080&memberId=123456&e_c=second&id=buy"
    )
    reply = site.ask("GET", request)
    assert (reply.status, len(reply.body)) == (200, 43)
    (event,) = site.producer.events()
    assert (event["scenario_id"], event["event_type"], event["page_url"]) == (
        5,
        "scenario",
        "http://shop.example/product_detail/1",
    )
    assert (event["referrer"], event["element_id"]) == ("other.example", "buy")
    assert event["parameters"] == {
        "e_c": "buttonClick",
        "e_n": "고면",
        "url": "http://shop.example/product_detail/1?q=2",
        "urlref": "http://other.example/",
        "res": "1920x1080",
        "memberId": "123456",
        "id": "buy",
    }


@pytest.mark.parametrize(
    ("path", "status"), [("/0", 400), ("/5", 400), ("/5?url=/a", 200), ("/" + "9" * 19, 404), ("/5/6?url=/a", 404)]
)
def test_which_paths_are_tracking_requests(site: InProcess, path: str, status: int) -> None:
    assert site.ask("GET", path).status == status


def test_more_than_a_hundred_parameters_are_refused(site: InProcess) -> None:
    query = "&".join(f"p{number}=1" for number in range(101))
    assert "at most 100 are allowed" in site.ask("GET", f"/5?{query}").error()
