"""The demo shop: every page in both languages, in a browser, and what a visit to it records."""

import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clickstream_local.ports import free_port
from clickstream_shop.main import Shop, ShopSettings, shop_server
from clickstream_shop.pages import LANGUAGES, Pages
from clickstream_web.shell import application
from kit.asgi import ask
from kit.poll import eventually
from kit.snippet import FakeCollector

_COLLECTOR = "http://localhost:8090"
_SHOP = application(Shop(_COLLECTOR).routes, headers={})
_PATHS = sorted(set(Pages("en", _COLLECTOR).all()) - {""})
Visit = Callable[..., Page]


class _Links(HTMLParser):
    """Collects where a page's elements lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name in ("href", "src", "action") and value]


@pytest.fixture
def shop(collector: FakeCollector) -> Iterator[str]:
    """The shop's address."""
    port = free_port()
    with shop_server(ShopSettings(port=port, collector=collector.url)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def visit(browser: Browser, shop: str) -> Iterator[Visit]:
    """Opens the shop as a visitor does; in the end nothing may have gone wrong in the browser's eyes."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def visit(path: str = "/", width: int = 1280, scheme: Any = "light", locale: str = "en-US") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, locale=locale, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.goto(shop + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


async def test_every_link_leads_to_a_page_or_out_of_the_shop() -> None:
    leads_out = re.compile(
        rf"{_COLLECTOR}/(clickstream\.js|openapi\.json|pixel\.gif\?.*)?|https://\w\w\.wikipedia\.org/.*"
    )
    for language in LANGUAGES:
        for path in _PATHS:
            page = await ask(_SHOP, f"{path}?lang={language}")
            assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            links = _Links()
            links.feed(page.body.decode())
            for link in links.found:
                if not leads_out.fullmatch(link) and not link.startswith("#"):
                    assert (await ask(_SHOP, link.partition("#")[0])).status == 200, f"{path}: {link}"


def test_the_pages_are_those_that_the_simulated_users_visit() -> None:
    assert {"/", "/search", "/cart", "/checkout", "/deals", "/products/laptop", "/categories/home-and-kitchen"} <= set(
        _PATHS
    )
    assert len(_PATHS) == 40


def test_both_languages_have_the_same_words() -> None:
    pages = [Pages(language, _COLLECTOR) for language in LANGUAGES]

    assert [set(each.all()) for each in pages] == [{*_PATHS, ""}] * 2
    assert pages[0]._words.keys() == pages[1]._words.keys()


@pytest.mark.parametrize(
    ("target", "accepted", "language"),
    [("/", "ko-KR,ko;q=0.9", "ko"), ("/", "de", "en"), ("/?lang=ko", "en", "ko"), ("/?lang=xx", "ko", "en")],
)
async def test_the_language_is_the_visitors(target: str, accepted: str, language: str) -> None:
    page = await ask(_SHOP, target, accept_language=accepted)
    assert f'<html lang="{language}"'.encode() in page.body


async def test_other_paths_are_not_found() -> None:
    for target in ("/nowhere", "*", "/../shop.py", "//", "/products/laptop/"):
        assert (await ask(_SHOP, target)).status == 404, target


async def test_nothing_can_be_changed() -> None:
    for target in ("/", "/shop.js", "/nowhere"):
        answer = await ask(_SHOP, target, "POST")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_the_collector_is_where_the_visitor_found_the_shop() -> None:
    shop = application(Shop("http://*:8090").routes, headers={})
    for host, origin in (("10.1.2.3:8092", "http://10.1.2.3:8090"), ("b@d", "http://localhost:8090")):
        page = await ask(shop, "/", host=host)
        assert f"{origin}/clickstream.js".encode() in page.body
        assert f"connect-src 'self' {origin};" in page.headers["content-security-policy"]


async def test_the_policy_allows_scripts_of_the_shop_and_the_collector_only() -> None:
    page = await ask(_SHOP, "/")

    assert f"script-src 'self' {_COLLECTOR};" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert re.search(rb"<script(?![^>]* src=)", page.body) is None
    assert re.search(rb"<[^>]+ (style|on\w+)=", page.body) is None


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(1280, "light", "en-US"), (1280, "dark", "ko-KR"), (360, "light", "ko-KR"), (360, "dark", "en-US")],
)
def test_a_whole_visit(
    visit: Visit, collector: FakeCollector, tmp_path: Path, width: int, scheme: str, locale: str
) -> None:
    folder = Path(os.environ.get("PAGE_SCREENSHOTS") or tmp_path)
    english = locale == "en-US"
    page = visit("/", width, scheme, locale)

    def keep(name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
        page.screenshot(path=folder / f"shop-{name}-{width}-{scheme}-{locale}.png", full_page=True)

    expect(page.locator("h1")).to_have_text(
        "Everything from around the corner" if english else "모퉁이를 돌면 다 있습니다"
    )
    keep("home")
    page.click(".categories a >> nth=2")
    expect(page.locator("h1")).to_have_text("Fashion" if english else "패션")
    page.click(".categories a >> nth=1")
    expect(page.locator("h1")).to_have_text("Electronics" if english else "전자제품")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].name").endswith("/"), "it is the same document"
    seen = "/categories/electronics"  # what is left within 50 ms is no page view
    assert eventually(lambda: seen in [each["page_url"] for each in collector.stored("page_view")], 10)
    page.go_back()
    expect(page.locator(".categories a[aria-current]")).to_have_text("Fashion" if english else "패션")
    keep("category")
    page.click("a[href^='/products/sneakers']")
    page.click(".product [data-add]")
    expect(page.locator("#news")).to_contain_text("Sneakers" if english else "스니커즈")
    keep("product")
    page.fill("input[name=q]", "노트북" if english else "LAPTOP")
    page.press("input[name=q]", "Enter")
    expect(page.locator(".card:visible")).to_have_count(1)
    keep("search")
    page.click(".card:visible [data-add]")
    page.click(".cart-link")
    expect(page.locator("#sum")).to_have_text("$978" if english else "₩1,289,000")
    keep("cart")
    page.click(".row:visible [data-less] >> nth=0")
    expect(page.locator(".row:visible")).to_have_count(1)
    page.click("a[href^='/checkout']")
    expect(page.locator("#order button")).to_be_visible()
    keep("checkout")
    page.click("#order button")
    expect(page.locator("h1")).to_have_text("Thank you!" if english else "감사합니다!")
    expect(page.locator("#count")).to_be_hidden()
    keep("done")
    page.click(".language")
    expect(page.locator("h1")).to_have_text("감사합니다!" if english else "Thank you!")

    def arrived() -> bool:
        events = {each["event_id"]: each for each in collector.stored()}.values()
        views = [each["page_url"] for each in sorted(events, key=lambda each: each["timestamp"])]
        types = [each["event_type"] for each in events]
        assert (types.count("add_to_cart"), types.count("search"), types.count("purchase")) == (2, 1, 1)
        assert "/checkout/done" in views
        return True

    assert eventually(arrived, 10)
    categories = {each["page_url"]: each["page_category"] for each in collector.stored("page_view")}
    assert categories["/categories/electronics"] == "electronics"
    assert categories["/products/sneakers"] == "fashion"


def test_without_scripts_the_pixel_counts(browser: Browser, shop: str, collector: FakeCollector) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shop}/products/tent")
    page.locator("footer").scroll_into_view_if_needed()
    context.close()

    assert f"{collector.url}/pixel.gif?path=/products/tent&event_type=page_view&key=demo-shop" in asked
