"""What clickstream.js records: page views, clicks, time on page, and what the page itself tells it."""

import gzip
import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from clickstream_core.timestamps import parse_timestamp
from kit.poll import eventually
from kit.snippet import SNIPPET, Event, FakeCollector, WebSite

OpenPage = Callable[..., Page]
_HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def the(collector: FakeCollector, event_type: str, count: int = 1) -> list[Event]:
    """Wait until so many events of the type have arrived, each once; return them in their order."""

    def arrived() -> list[Event]:
        found = {each["event_id"]: each for each in collector.stored(event_type)}
        assert len(found) == count, f"{len(found)} {event_type}: {collector.sent()}"
        return sorted(found.values(), key=lambda each: each["timestamp"])

    return eventually(arrived, 10)


def test_it_is_smaller_than_four_kilobytes() -> None:
    assert len(gzip.compress(SNIPPET.read_bytes(), 9, mtime=0)) < 4096


def test_a_page_view_has_the_fields_of_the_contract(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.attributes = 'data-key="shop"'
    site.head = '<meta name="page-category" content="electronics">'
    open_page("/products/laptop?session=secret#reviews", referer="https://search.example/?q=laptop")

    (event,) = the(collector, "page_view")
    assert set(event) == {
        *("event_id", "timestamp", "user_id", "session_id", "event_type"),
        *("page_url", "page_category", "referrer"),
    }
    assert all(uuid.UUID(event[name]).version == 4 for name in ("event_id", "user_id", "session_id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    assert event["page_url"] == "/products/laptop"
    assert event["page_category"] == "electronics"
    assert event["referrer"].startswith("https://search.example/")
    (request,) = collector.requests
    assert request.path == "/ingest"
    assert request.query["key"] == "shop"
    assert 0 <= parse_timestamp(request.query["sent_at"]) - parse_timestamp(event["timestamp"]) < 5000
    assert request.headers["Content-Type"].lower() == "text/plain;charset=utf-8"
    assert "Cookie" not in request.headers
    assert collector.preflights == []


def test_a_page_of_the_site_is_no_referrer(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.body = '<a href="/next">next</a>'
    page = open_page()
    the(collector, "page_view")
    page.click("a")

    assert [each["referrer"] for each in the(collector, "page_view", 2)] == ["", ""]


def test_the_visitor_and_the_session_are_shared_by_tabs_and_pages(
    collector: FakeCollector, open_page: OpenPage, visitor: BrowserContext
) -> None:
    for path in ("/one", "/two"):
        open_page(path)
    events = the(collector, "page_view", 2)

    assert len({each["user_id"] for each in events}) == 1
    assert len({each["session_id"] for each in events}) == 1
    assert visitor.cookies() == []


def test_after_half_an_hour_of_inactivity_a_new_session_begins(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.body = '<button data-track="press">press</button>'
    page = open_page()
    (view,) = the(collector, "page_view")
    idle = """minutes => {
        const [id, seen] = localStorage["clickstream:session"].split(" ");
        localStorage["clickstream:session"] = id + " " + (seen - minutes * 60000);
    }"""
    page.evaluate(idle, 29)
    page.click("button")
    the(collector, "click")
    page.evaluate(idle, 31)
    page.click("button")

    before, after = the(collector, "click", 2)
    assert before["session_id"] == view["session_id"]
    assert after["session_id"] != view["session_id"]
    assert after["user_id"] == view["user_id"]


@pytest.mark.parametrize(
    ("markup", "selector", "expected"),
    [
        ('<button data-track="menu" id="m">a</button>', "button", ("click", "menu", "m")),
        ('<button data-track="laptop" data-track-type="add_to_cart"><b>a</b></button>', "b", ("add_to_cart", "laptop")),
        ("<button data-track>a</button>", "button", ("click", "BUTTON")),
        ('<form><input name="matches"><input name="id"><i data-track="x">a</i></form>', "i", ("click", "x")),
        ('<a href="http://127.0.0.1:9/a?b">a</a>', "a", ("click", "outbound", "127.0.0.1:9")),
        ('<a href="https://x.example/" data-track="partner">a</a>', "a", ("click", "partner", "x.example")),
    ],
)
def test_a_click_tells_what_was_clicked(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, markup: str, selector: str, expected: tuple[str, ...]
) -> None:
    # What the page does with its clicks must not matter.
    site.body = f"{markup}<script>addEventListener('click', event => event.preventDefault())</script>"
    page = open_page("/here")
    page.click(selector)

    (event,) = the(collector, expected[0])
    assert (event["event_type"], event["tag"], *([event["id"]] if "id" in event else [])) == expected
    assert event["page_url"] == "/here"


def test_what_is_not_marked_is_not_recorded(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.body = """<button id="plain">a</button><a id="inside" href="#x">a</a>
        <a id="mail" href="mailto:a@b.example">a</a>
        <button id="stops" data-track="stops" onclick="event.stopPropagation()">a</button>"""
    page = open_page()
    for each in ("#plain", "#inside", "#mail", "#stops"):
        page.click(each)

    the(collector, "click")
    assert [each.get("tag") for each in collector.sent()] == [None, "stops"]


def test_a_click_inside_a_web_component_counts(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.body = """<x-shop></x-shop><script>customElements.define("x-shop", class extends HTMLElement {
        connectedCallback() {
            this.attachShadow({ mode: "open" }).innerHTML = '<button data-track="inner">a</button>';
        }
    });</script>"""
    open_page().click("x-shop button")

    assert the(collector, "click")[0]["tag"] == "inner"


def test_the_middle_button_opens_a_link_too(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.body = f'<a href="{collector.url}/elsewhere">a</a><p data-track="p">b</p>'
    page = open_page()
    page.click("a", button="middle")
    the(collector, "click")
    page.click("p", button="right")
    page.click("p")

    assert [each["tag"] for each in the(collector, "click", 2)] == ["outbound", "p"]


def test_single_page_navigation_is_a_page_view_with_the_time_before(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.head = '<meta name="page-category" content="first">'
    page = open_page("/first", referer="https://search.example/")
    the(collector, "page_view")
    page.evaluate("""() => {
        history.pushState({}, "", "/second?page=2");
        document.querySelector('meta[name]').content = "second";
    }""")
    the(collector, "page_view", 2)
    page.evaluate("""() => {
        history.replaceState({}, "", "/second?page=3");
        history.pushState({}, "", "/second#part");
        history.replaceState({}, "", "/third");
    }""")
    the(collector, "page_view", 3)
    page.go_back()

    views = the(collector, "page_view", 4)
    assert [each["page_url"] for each in views] == ["/first", "/second", "/third", "/second"]
    assert [each["page_category"] for each in views] == ["first", "second", "second", "second"]
    assert [each["referrer"] for each in views] == ["https://search.example/", "", "", ""]
    leaves = the(collector, "page_leave", 3)
    assert [each["page_url"] for each in leaves] == ["/first", "/second", "/third"]


def test_two_navigations_at_once_are_two_page_views(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/a")
    page.evaluate("() => { history.pushState({}, '', '/b'); history.pushState({}, '', '/c'); }")

    assert [each["page_url"] for each in the(collector, "page_view", 3)] == ["/a", "/b", "/c"]


def test_only_the_hashes_of_hash_routers_are_pages(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/app#top")
    for each in ("#chapter", "#/cart?coupon=1", "#/cart?coupon=2", "#!/legacy"):
        page.evaluate("hash => { location.hash = hash; }", each)
    views = the(collector, "page_view", 3)

    assert [each["page_url"] for each in views] == ["/app", "/app#/cart", "/app#!/legacy"]


def test_the_page_keeps_what_history_gives_and_throws(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/a")
    said = page.evaluate("""() => {
        const given = history.pushState({ a: 1 }, "", "/b");
        try { history.pushState({}, "", "https://other.example/"); } catch (error) { return [given, error.name]; }
    }""")

    assert said == [None, "SecurityError"]
    assert page.evaluate("history.state") == {"a": 1}


def test_the_time_on_a_page_is_the_time_it_was_visible(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page()
    the(collector, "page_view")
    page.clock.install()
    page.evaluate(_HIDE, True)
    the(collector, "page_leave")
    page.clock.run_for(60_000)
    page.evaluate(_HIDE, False)
    page.clock.run_for(7_000)
    page.evaluate(_HIDE, True)
    page.evaluate(_HIDE, True)

    first, second = the(collector, "page_leave", 2)
    assert isinstance(first["duration_ms"], int)
    assert 7_000 <= second["duration_ms"] < 9_000
    assert second["page_url"] == "/"


def test_a_page_that_was_never_visible_has_no_time(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page(script="Object.defineProperty(document, 'hidden', { value: true, configurable: true });")
    the(collector, "page_view")
    page.close(run_before_unload=True)

    assert collector.sent("page_leave") == []


def test_a_page_out_of_the_back_forward_cache_is_a_page_view(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.body = '<button data-track="press">press</button>'
    page = open_page("/a")
    the(collector, "page_view")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    the(collector, "page_leave")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    the(collector, "page_view", 2)
    page.click("button")
    the(collector, "click")

    assert [each["event_type"] for each in collector.sent()] == ["page_view", "page_leave", "page_view", "click"]


def test_a_prerendered_page_counts_when_it_is_shown(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page(script="Object.defineProperty(document, 'prerendering', { value: true, configurable: true });")
    page.evaluate("clickstream.track('search')")
    page.wait_for_timeout(300)
    assert collector.requests == []
    page.evaluate("""() => {
        Object.defineProperty(document, "prerendering", { value: false });
        document.dispatchEvent(new Event("prerenderingchange"));
    }""")

    the(collector, "page_view")
    assert len(collector.sent()) == 1


def test_track_takes_fields_and_leaves_out_what_is_no_json(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/cart")
    page.evaluate("""() => {
        const cycle = {};
        cycle.cycle = cycle;
        clickstream.track("purchase", {
            tag: "order-7", duration_ms: 12, page_category: "cart", cycle, big: 1n, call() {}, nothing: undefined,
            get trap() { throw new Error("trap"); },
        });
        clickstream.track("search", null);
        clickstream.track("hostile", new Proxy({}, { ownKeys() { throw new Error("proxy"); } }));
        for (const wrong of [undefined, "", 7, {}, null]) clickstream.track(wrong, {});
    }""")

    (purchase,) = the(collector, "purchase")
    assert (purchase["tag"], purchase["duration_ms"], purchase["page_category"]) == ("order-7", 12, "cart")
    assert not {"cycle", "big", "call", "nothing", "trap"} & set(purchase)
    the(collector, "search")
    assert {each["event_type"] for each in collector.sent()} == {"page_view", "purchase", "search"}


def test_without_the_newest_of_crypto_the_ids_are_uuids_too(collector: FakeCollector, open_page: OpenPage) -> None:
    open_page(script="delete Crypto.prototype.randomUUID")

    (event,) = the(collector, "page_view")
    assert uuid.UUID(event["event_id"]).version == 4
    assert uuid.UUID(event["event_id"]).variant == uuid.RFC_4122


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [("{collector}", "/ingest"), ("{collector}/stage/ingest", "/stage/ingest"), ("/elsewhere", None)],
)
def test_the_endpoint_can_be_another(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, endpoint: str, path: str | None
) -> None:
    site.attributes = f'data-endpoint="{endpoint.format(collector=collector.url)}"'
    page = open_page("/dir/page")
    if path is None:
        with page.expect_request(f"{site.url}/elsewhere?sent_at=*"):
            page.evaluate("clickstream.track('search')")
    else:
        the(collector, "page_view")
        assert collector.requests[0].path == path


@pytest.mark.parametrize("kind", ["module", "bundle", "async", "bare"])
def test_it_finds_its_tag_however_it_is_loaded(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, kind: str
) -> None:
    source = f"{collector.url}/clickstream.js"
    site.attributes = {
        "module": 'type="module" data-key="k"',
        "bundle": 'type="text/plain" data-key="k"',
        "async": 'async data-key="k"',
        "bare": 'data-key="k"',
    }[kind]
    if kind == "bundle":
        # The file's text in the site's own script, which the tag below only configures.
        site.body = f"<script>fetch('{source}').then(a => a.text()).then(text => (0, eval)(text))</script>"
    open_page()
    the(collector, "page_view")

    assert collector.requests[0].query["key"] == "k"


def test_included_twice_it_counts_once(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.body = f'<button data-track="a">a</button><script src="{collector.url}/clickstream.js"></script>'
    page = open_page()
    page.click("button")
    the(collector, "click")

    assert [each["event_type"] for each in collector.sent()] == ["page_view", "click"]
