"""What clickstream.js records: page views, clicks, time on page, and what the page itself passes to it."""

import gzip
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from clickstream_collector.devices import device_of
from clickstream_collector.events import collected, read_event
from clickstream_collector.page_urls import KeptParameters, cut
from clickstream_collector.request_info import RequestInfo
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


def test_a_page_view_has_the_documented_fields(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
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
def test_a_click_records_what_was_clicked(
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


def test_a_page_that_was_never_seen_is_no_page_view_and_leaves_its_referrer(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.body = """<script>addEventListener("DOMContentLoaded", () => {
        if (location.pathname !== "/") return;
        history.replaceState({}, "", "/login");
        history.pushState({}, "", "/home");
    })</script>"""
    page = open_page("/", referer="https://search.example/")
    the(collector, "page_view")
    page.evaluate("""() => {
        history.pushState({}, "", "/a");
        setTimeout(() => history.replaceState({}, "", "/b"), 30);
        setTimeout(() => history.replaceState({}, "", "/c"), 60);
    }""")
    views = the(collector, "page_view", 2)
    page.goto("about:blank")

    assert [(each["page_url"], each["referrer"]) for each in views] == [
        ("/home", "https://search.example/"),
        ("/c", ""),
    ]
    assert [each["page_url"] for each in the(collector, "page_leave", 2)] == ["/home", "/c"]


def test_a_page_on_which_something_happened_was_seen(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    page = open_page("/a")
    the(collector, "page_view")
    page.evaluate("""() => {
        history.pushState({}, "", "/b");
        clickstream.track("search", {});
        history.pushState({}, "", "/c");
    }""")

    assert [each["page_url"] for each in the(collector, "page_view", 3)] == ["/a", "/b", "/c"]
    assert [each["page_url"] for each in the(collector, "page_leave", 2)] == ["/a", "/b"]


def test_only_the_hashes_of_hash_routers_are_pages(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/app#top")
    the(collector, "page_view")
    for number, each in enumerate(("#chapter", "#/cart?coupon=1", "#/cart?coupon=2#access_token=3", "#!/legacy")):
        page.evaluate("hash => { location.hash = hash; }", each)
        the(collector, "page_view", (1, 2, 2, 3)[number])
    views = the(collector, "page_view", 3)

    assert [each["page_url"] for each in views] == ["/app", "/app#/cart", "/app#!/legacy"]


@pytest.mark.parametrize(
    "address",
    [
        "/a?token=1&utm_source=x&gclid=7&utm_medium=#top",
        "/a?utm_medium=y$&gclid&UTM_SOURCE=z&my_gclid=1&gclid2=1",
        "/a?gclid=1#/cart?gclid=2",
        "/app?token=1#!/legacy#access_token=1",
        "/a?",
    ],
)
def test_of_a_query_only_the_named_parameters_are_kept_as_the_collector_keeps_them(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, address: str
) -> None:
    site.attributes = 'data-kept-parameters="gclid, utm_*"'
    page = open_page(address)
    (view,) = the(collector, "page_view")
    page.evaluate("() => { history.replaceState({}, '', location.pathname + '?gclid=8' + location.hash); }")
    page.evaluate("clickstream.track('search')")
    (search,) = the(collector, "search")

    assert (
        view["page_url"]
        == search["page_url"]
        == cut(site.url + address, KeptParameters(["gclid", "utm_*"]))[len(site.url) :]
    )
    assert len(collector.sent("page_view")) == 1, "another query is no other page"


@pytest.mark.parametrize(
    ("names", "kept"), [("(", "/a"), ("a.b,", "/a?a.b=1"), ("c b[", "/a?b=2"), ("none", "/a"), ("", "/a")]
)
def test_names_of_parameters_that_are_none_do_no_harm(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, names: str, kept: str
) -> None:
    site.attributes = f'data-kept-parameters="{names}"'
    open_page("/a?a.b=1&b=2")

    assert the(collector, "page_view")[0]["page_url"] == kept


def test_of_a_file_only_its_name_is_kept(
    site: WebSite, collector: FakeCollector, visitor: BrowserContext, tmp_path: Path
) -> None:
    folder = tmp_path / "a folder of anna"
    folder.mkdir()
    (folder / "my shop.html").write_bytes(site.page(""))
    page = visitor.new_page()
    page.goto((folder / "my shop.html").as_uri() + "?q=1#/cart?q=2")

    (view,) = the(collector, "page_view")
    assert view["page_url"] == "file:///my%20shop.html#/cart" == cut(page.url)
    assert "anna" not in str(collector.sent())


_TOUCH = """(([points, platform, coarse]) => {
    Object.defineProperty(Navigator.prototype, "maxTouchPoints", { get: () => points });
    Object.defineProperty(Navigator.prototype, "platform", { get: () => platform });
    const matchMedia = window.matchMedia;
    window.matchMedia = (query) => query === "(pointer:coarse)" ? { matches: coarse } : matchMedia(query);
})(%s)"""
_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605"
)
_LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {}Chrome/121.0.0.0 Safari/537.36"
_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
_CHROME_OS = (
    "Mozilla/5.0 (X11; CrOS aarch64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("user_agent", "touch", "screen", "said", "stored"),
    [
        (_MAC, (5, "MacIntel", True), (1024, 1366), "tablet", "tablet"),
        (_MAC, (5, "MacIntel", True), (744, 1133), "tablet", "tablet"),
        (_MAC, (5, "MacIntel", True), (393, 852), "mobile", "mobile"),
        (_MAC, (0, "MacIntel", False), (1440, 900), None, "desktop"),
        (_LINUX.format("SamsungBrowser/25.0 "), (5, "Linux armv8l", True), (800, 1280), "tablet", "tablet"),
        (_LINUX.format("SamsungBrowser/25.0 "), (5, "Linux armv8l", True), (412, 915), "mobile", "mobile"),
        (_LINUX.format(""), (10, "Linux x86_64", False), (1920, 1080), None, "desktop"),
        (_WINDOWS, (10, "Win32", True), (1920, 1080), None, "desktop"),
        (_CHROME_OS, (10, "Linux aarch64", True), (1366, 768), None, "desktop"),
    ],
)
def test_the_browser_reports_which_device_its_user_agent_hides(
    browser: Browser,
    site: WebSite,
    collector: FakeCollector,
    user_agent: str,
    touch: tuple[int, str, bool],
    screen: tuple[int, int],
    said: str | None,
    stored: str,
) -> None:
    size = {"width": screen[0], "height": screen[1]}
    context = browser.new_context(user_agent=user_agent, viewport=size, screen=size)  # type: ignore[arg-type]
    context.add_init_script(_TOUCH % json.dumps(touch))
    context.new_page().goto(site.url)
    (view,) = the(collector, "page_view")
    context.close()

    assert view.get("device_type") == said
    visit = RequestInfo("203.0.113.7", user_agent, "", "", "", 0, "1970-01-01T00:00:00.000Z")
    assert collected(read_event(view), visit, device_of(user_agent), "ZZ", "", "").device_type == stored


def test_half_a_surrogate_pair_becomes_a_replacement_character(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    left = '{"event_id":"e","event_type":"left","timestamp":"2024-10-26T10:30:45.123Z","tag":"\\\\ud83d"}'
    page = open_page(
        script=f"""if (location.protocol === "http:") localStorage["clickstream:deadbeef:0"] = '{left}';"""
    )
    page.evaluate(r"""() => {
        const button = document.body.appendChild(document.createElement("button"));
        button.dataset.track = "Great 😀".slice(0, 7);
        button.click();
        clickstream.track("search", {
            tag: "😀 \ude00 \ud83d\ud83d\ude00", page_category: "\\ud83d \\\ud83d", ["name \udfff"]: 1,
        });
    }""")

    assert the(collector, "click")[0]["tag"] == "Great \ufffd"
    (search,) = the(collector, "search")
    assert search["tag"] == "😀 \ufffd \ufffd😀"
    assert search["page_category"] == "\\ud83d \\\ufffd"
    assert search["name \ufffd"] == 1
    assert the(collector, "left")[0]["tag"] == "\ufffd"
    for request in collector.requests:
        msgspec.json.decode(request.body)  # which is strict


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


def test_an_element_may_name_a_scenario_and_its_parameters(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.body = '<button data-scenario="5" data-member-id="7" data-e_c="buttonClick" id="buy">a</button>'
    open_page("/cart").click("button")

    (event,) = the(collector, "click")
    assert (event["scenario"], event["memberId"], event["e_c"]) == ("5", "7", "buttonClick")
    assert (event["tag"], event["id"]) == ("BUTTON", "buy")


def test_a_page_may_name_a_scenario_for_all_its_events_and_a_call_another(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.attributes = 'data-scenario="5" data-member-id="7"'
    page = open_page("/cart")
    page.evaluate('clickstream.track("buttonClick", { scenario: 6, e_n: "구매" })')

    (view,), (call,) = the(collector, "page_view"), the(collector, "buttonClick")
    assert (view["scenario"], view["memberId"]) == ("5", "7")
    assert (call["scenario"], call["memberId"], call["e_n"]) == (6, "7", "구매")
