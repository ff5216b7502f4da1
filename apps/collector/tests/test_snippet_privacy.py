"""Whom clickstream.js leaves alone, and that no page is worse off for it: policies, integrity, hostile surroundings."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from kit.poll import eventually
from kit.snippet import SNIPPET, FakeCollector, WebSite

OpenPage = Callable[..., Page]
_STORED = "Object.keys(localStorage).filter(key => key.startsWith('clickstream'))"
_LEFT_BEHIND = """if (location.protocol === "http:" && !localStorage.put) Object.assign(localStorage, {
    put: "1", "clickstream:visitor": "v", "clickstream:session": "s 1",
    "clickstream:deadbeef:0": '{"event_type":"click"}',
});"""


@pytest.fixture(autouse=True)
def _a_button(site: WebSite) -> None:
    site.body = '<button data-track="press">press</button>'


def visit(page: Page) -> None:
    """Do everything that is recorded otherwise."""
    page.click("button")
    page.evaluate("clickstream.track('search', { tag: 'x' })")
    page.evaluate("history.pushState({}, '', '/elsewhere')")
    page.wait_for_timeout(300)  # for what must not happen


def assert_left_alone(collector: FakeCollector, page: Page) -> None:
    assert page.evaluate(_STORED) == []
    page.goto("about:blank")
    page.wait_for_timeout(200)
    assert collector.requests == []


@pytest.mark.parametrize("consent", ["required", "denied"])
def test_without_consent_nothing_is_sent_or_stored(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, consent: str
) -> None:
    site.attributes = f'data-consent="{consent}"'
    page = open_page(script=_LEFT_BEHIND)
    visit(page)

    assert_left_alone(collector, page)


@pytest.mark.parametrize(
    "wish",
    [
        "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' });",
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });",
    ],
    ids=["DNT", "GPC"],
)
def test_who_wishes_not_to_be_tracked_is_not(collector: FakeCollector, open_page: OpenPage, wish: str) -> None:
    page = open_page(script=_LEFT_BEHIND + wish)
    visit(page)
    page.evaluate("clickstream.consent(true)")
    visit(page)

    assert_left_alone(collector, page)


@pytest.mark.parametrize("answer", ["'0'", "null", "'unspecified'"])
def test_who_has_not_said_so_is_counted(collector: FakeCollector, open_page: OpenPage, answer: str) -> None:
    open_page(script=f"Object.defineProperty(Navigator.prototype, 'doNotTrack', {{ get: () => {answer} }});")

    assert eventually(lambda: collector.stored("page_view"), 10)


def test_consent_counts_from_when_it_is_given_and_is_remembered(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    site.attributes = 'data-consent="required"'
    page = open_page("/first")
    visit(page)
    page.evaluate("clickstream.consent(true)")
    eventually(lambda: collector.stored("page_view"), 10)
    page.click("button")
    eventually(lambda: collector.stored("click"), 10)
    assert [(each["event_type"], each["page_url"]) for each in collector.stored()] == [
        ("page_view", "/elsewhere"),
        ("click", "/elsewhere"),
    ]

    page.goto(f"{site.url}/second")
    eventually(lambda: "/second" in [each["page_url"] for each in collector.stored("page_view")], 10)


def test_consent_can_be_withdrawn(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.attributes = 'data-consent="required"'
    page = open_page()
    page.evaluate("clickstream.consent(true)")
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=1)
    page.click("button")
    eventually(lambda: collector.sent("click"), 10)
    collector.answers(200)
    page.evaluate("clickstream.consent(false)")
    sent = len(collector.requests)
    visit(page)
    page.wait_for_timeout(1_500)  # the attempt that would have been made

    assert page.evaluate(_STORED) == []
    page.reload()
    visit(page)
    assert page.evaluate(_STORED) == []
    assert len(collector.requests) == sent


def test_consent_withdrawn_in_one_tab_holds_in_the_others(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    first, second = open_page("/a"), open_page("/b")
    eventually(lambda: len(collector.stored("page_view")) == 2, 10)
    first.evaluate("clickstream.consent(false)")
    sent = len(collector.requests)
    eventually(lambda: second.evaluate("!('clickstream:visitor' in localStorage)"), 10)
    second.wait_for_timeout(200)
    visit(second)

    assert second.evaluate(_STORED) == []
    assert len(collector.requests) == sent


def test_a_strict_policy_with_integrity_is_no_obstacle(
    site: WebSite, collector: FakeCollector, open_page: OpenPage
) -> None:
    digest = base64.b64encode(hashlib.sha384(SNIPPET.read_bytes()).digest()).decode()
    site.attributes = f'integrity="sha384-{digest}" crossorigin="anonymous"'
    site.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {collector.url}/clickstream.js; connect-src {collector.url}/ingest;"
        " require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'; form-action 'none'"
    )
    said: list[str] = []
    page = open_page()
    page.on("console", lambda message: said.append(message.text))
    page.click("button")
    eventually(lambda: collector.stored("click"), 10)
    page.goto("about:blank")

    assert eventually(lambda: collector.stored("page_leave"), 10)
    assert said == []


def test_a_file_that_was_changed_is_not_run(site: WebSite, collector: FakeCollector, open_page: OpenPage) -> None:
    site.attributes = f'integrity="sha384-{base64.b64encode(bytes(48)).decode()}" crossorigin="anonymous"'
    page = open_page()

    assert page.evaluate("typeof clickstream") == "undefined"


@pytest.mark.parametrize(
    "explosion",
    [
        "Array.prototype.toJSON = Object.prototype.toJSON = () => 'no';",
        "window.fetch = navigator.sendBeacon = () => { throw new Error('no'); };",
        "window.fetch = async () => undefined;",
        "window.fetch = async () => ({ status: 503, get headers() { throw new Error('headers'); } });",
        "window.fetch = () => new Promise(() => {});",
        "Date.prototype.toISOString = () => { throw new Error('date'); };",
        "Event.prototype.composedPath = () => { throw new Error('path'); };",
        "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get() { throw new Error('dnt'); } });",
        "Object.defineProperty(Document.prototype, 'referrer', { get() { throw new Error('referrer'); } });",
        "Object.defineProperty(window, 'clickstream', { set() {}, get() { throw new Error('x'); } });",
        "Object.freeze(History.prototype); Object.freeze(history);",
        "Storage.prototype.setItem = Storage.prototype.getItem = () => { throw new Error('storage'); };",
        "JSON.stringify = () => { throw new Error('json'); };",
        "performance.now = () => { throw new Error('now'); };",
    ],
)
def test_nothing_is_thrown_into_a_page_that_explodes(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, explosion: str
) -> None:
    listen = """window.heard = [];
        for (const type of ["error", "unhandledrejection"]) addEventListener(type, event => heard.push(String(
            event.reason || event.message)));"""
    page = open_page(script=listen + explosion)
    page.click("button")
    page.evaluate("""() => {
        history.pushState({}, "", "/pushed");
        try { clickstream.track("search", {}); clickstream.consent(true); } catch (error) {
            if (error.message !== "x") throw error; // the page's own trap
        }
        for (const type of ["visibilitychange", "click"]) document.dispatchEvent(new Event(type));
        for (const type of ["pagehide", "pageshow", "online", "storage", "popstate"]) dispatchEvent(new Event(type));
    }""")
    page.wait_for_timeout(300)

    assert page.evaluate("heard") == []
    assert page.evaluate("location.pathname") == "/pushed"


def test_a_page_whose_own_handlers_throw_is_counted_all_the_same(
    site: WebSite, collector: FakeCollector, visitor: BrowserContext
) -> None:
    page = visitor.new_page()
    page.add_init_script("""for (const type of ["click", "pagehide", "visibilitychange", "popstate"])
        addEventListener(type, event => {
            event.stopImmediatePropagation();
            throw new Error(type);
        }, type !== "click");""")
    page.goto(site.url)
    page.click("button")
    eventually(lambda: collector.stored("click"), 10)
    page.goto("about:blank")

    assert {each["event_type"] for each in collector.stored()} >= {"page_view", "click"}


@pytest.mark.parametrize("attributes", ['data-endpoint="http://"', 'data-endpoint="javascript:alert(1)"'])
def test_an_endpoint_that_is_none_does_no_harm(
    site: WebSite, collector: FakeCollector, open_page: OpenPage, attributes: str
) -> None:
    site.attributes = attributes
    visit(open_page())

    assert collector.requests == []
