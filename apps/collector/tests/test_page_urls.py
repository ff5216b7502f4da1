import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_collector.page_urls import KeptParameters, cut
from kit.in_process import in_process


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/products/laptop", "/products/laptop"),
        ("/products/laptop?session=secret#reviews", "/products/laptop"),
        ("/a#token?x", "/a"),
        ("/app#/cart?coupon=1", "/app#/cart"),
        ("/app?x=1#!/legacy#access_token=1", "/app#!/legacy"),
        ("https://shop.example.com/a/b?secret#part", "https://shop.example.com/a/b"),
        ("https://user:password@shop.example.com:8443/a?b", "https://shop.example.com:8443/a"),
        ("https://user:pass@word@shop.example.com/a", "https://shop.example.com/a"),
        ("https:\\\\user:password@shop.example.com\\a", "https:\\\\shop.example.com\\a"),
        ("//user:password@shop.example.com/a?b", "//shop.example.com/a"),
        ("user:password@shop.example.com/a?b", "shop.example.com/a"),
        ("https://medium.example/@anna/post", "https://medium.example/@anna/post"),
        ("/@anna/post?x", "/@anna/post"),
        ("www.example.com/path?q=1", "www.example.com/path"),
        ("localhost:8080/a?b", "localhost:8080/a"),
        ("android-app://com.example.mail/inbox?user=anna", "android-app://com.example.mail/inbox"),
        ("app://cart?user=anna", "app://cart"),
        ("file:///home/anna/shop/index.html?x=1#part", "file:///index.html"),
        ("FILE:///C:/Users/Anna/My%20Shop/index.html", "file:///index.html"),
        ("file:///home/anna/", "file:///"),
        ("file:/home/anna/app/index.html#/cart?x", "file:///index.html#/cart"),
        ("file:C%3A%5CUsers%5CAnna%5Cx.html", "file:///x.html"),
        (" fi\nle:///home/anna/x.html", "file:///x.html"),
        ("C:\\Users\\Anna\\x.html", "file:///x.html"),
        ("\\\\server\\anna\\x.html", "file:///x.html"),
        ("data:text/html,<p>secret", "data:"),
        ("blob:https://shop.example.com/0b0e6c5f-0a2c-4d6d-8bb8-4f9d3f6f0c11", "blob:"),
        ("JavaScript:send('secret')", "javascript:"),
        ("\x01java\tscript:send('secret')", "javascript:"),
        ("view-source:https://shop.example.com/?secret", "view-source:"),
        ("mailto:anna@example.com", "mailto:"),
        ("checkout:step-2", "checkout:step-2"),
        ("Settings screen", "Settings screen"),
        ("?tab=2", ""),
        ("#top", ""),
        ("", ""),
    ],
)
def test_what_is_kept_of_an_address(address: str, expected: str) -> None:
    assert cut(address) == expected


@pytest.mark.parametrize(
    ("names", "address", "expected"),
    [
        (("utm_source",), "/a?utm_source=x&utm_medium=y&token=1", "/a?utm_source=x"),
        (
            ("utm_*", "gclid"),
            "/a?token=1&utm_source=x&gclid=7&utm_medium=#utm_x",
            "/a?utm_source=x&gclid=7&utm_medium=",
        ),
        (("utm_*",), "/a?my_utm_source=x&UTM_SOURCE=y&utm=z", "/a"),
        (("a.b",), "/a?axb=1&a.b=2", "/a?a.b=2"),
        (("q",), "/a?q&q=1", "/a?q&q=1"),
        (("q",), "/app?q=1&r=2#/cart?q=3", "/app?q=1#/cart"),
        (("q",), "https://user:password@shop.example.com?q=1", "https://shop.example.com?q=1"),
        (("q",), "file:///home/anna/x.html?q=1", "file:///x.html?q=1"),
        (("*",), "/a?b=1&c", "/a?b=1&c"),
        (("*",), "/a?", "/a"),
        ((), "/a?utm_source=x", "/a"),
    ],
)
def test_parameters_are_kept_by_name(names: tuple[str, ...], address: str, expected: str) -> None:
    assert cut(address, KeptParameters(names)) == expected


@example("0 ?")
@example(":@\\\\")
@example("a:b@data:secret")
@example("#/cart ?a")
@given(st.text(max_size=50) | st.text("htps:/[]@#?.%\\fileC\n\ud800", max_size=40))
def test_what_was_cut_stays_as_it_is(address: str) -> None:
    once = cut(address)
    assert cut(once) == once
    assert "?" not in once


@pytest.mark.parametrize("field", ["page_url", "path"])
@pytest.mark.parametrize("many", [False, True])
def test_what_any_client_gives_is_cut(field: str, many: bool) -> None:
    event = {
        field: "https://anna:secret@shop.example.com/a?secret=1&utm_source=x#secret",
        "referrer": "www.example.com/path?q=secret",
    }
    with in_process(KEPT_QUERY_PARAMETERS="utm_*") as site:
        assert site.post([event] if many else event).status == 200
        (record,) = site.producer.written()
    assert b"secret" not in record.value
    assert b"anna" not in record.value
    assert b"https://shop.example.com/a?utm_source=x" in record.value


def test_the_pixels_page_is_cut_and_so_is_the_page_that_holds_it() -> None:
    page = "https://shop.example.com/a?secret=1&utm_source=x#secret"
    with in_process(KEPT_QUERY_PARAMETERS="utm_*") as site:
        site.ask("GET", "/pixel.gif?page_url=/mail/42%3Fsecret%3D1%26utm_source%3Dx%23secret")
        site.ask("GET", "/pixel.gif", referer=page)
        site.ask("GET", "/pixel.gif?page_url=%3Fsecret")
        site.ask("GET", "/pixel.gif?page_url=%3Fsecret", referer=page)
        pages = [event["page_url"] for event in site.producer.events()]
    assert pages == ["/mail/42?utm_source=x", "/a?utm_source=x", "/", "/a?utm_source=x"]
