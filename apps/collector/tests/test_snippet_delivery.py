"""What clickstream.js promises about delivery: whatever happens to page, network or collector, nothing is lost.

What is sent again has its former event_id, by which the collector knows it.
"""

import contextlib
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from clickstream_core.timestamps import parse_timestamp
from kit.poll import eventually
from kit.snippet import Answer, Event, FakeCollector, WebSite

OpenPage = Callable[..., Page]
_BUTTON = '<button data-track="press">press</button>'
_QUEUE = "Object.keys(localStorage).filter(key => /^clickstream:[0-9a-f]{8}/.test(key))"
_IMPATIENT = "Math.random = () => 0;"
"""No jitter: a backoff is as short as it can be."""


@pytest.fixture(autouse=True)
def _a_button(site: WebSite) -> None:
    site.body = _BUTTON


def press(page: Page, count: int = 1) -> None:
    """Click the button so often, each click with a name of its own."""
    for _ in range(count):
        page.evaluate(
            "() => { const b = document.querySelector('button'); b.id = `n${window.n = (window.n || 0) + 1}`; }"
        )
        page.click("button")


def ids(events: list[Event]) -> list[str]:
    return [each["event_id"] for each in events]


def clicked(collector: FakeCollector, count: int, within: float = 20.0) -> list[Event]:
    """Wait until so many clicks were taken; each may have been taken once only."""
    eventually(lambda: len(collector.stored("click")) >= count, within)
    found = collector.stored("click")
    assert len(found) == len(set(ids(found))) == count
    return found


def emptied(page: Page) -> None:
    """Wait until nothing waits in the page's storage."""
    eventually(lambda: page.evaluate(_QUEUE) == [], 20)


def test_what_was_delivered_is_kept_no_longer(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page()
    press(page, 3)
    clicked(collector, 3)

    emptied(page)
    assert sorted(page.evaluate("Object.keys(localStorage)")) == ["clickstream:session", "clickstream:visitor"]


@pytest.mark.parametrize("destination", ["another page", "another site", "closed"])
def test_the_event_of_a_page_that_is_left_arrives(
    collector: FakeCollector, site: WebSite, open_page: OpenPage, destination: str
) -> None:
    page = open_page("/left")
    eventually(lambda: collector.stored("page_view"), 10)
    if destination == "another page":
        page.goto(f"{site.url}/plain?plain")
    elif destination == "another site":
        page.goto("about:blank")
    else:
        page.close(run_before_unload=True)

    (event,) = eventually(lambda: collector.stored("page_leave"), 10)
    assert event["page_url"] == "/left"
    assert event["duration_ms"] >= 0


def test_a_click_that_leaves_the_page_arrives(collector: FakeCollector, site: WebSite, open_page: OpenPage) -> None:
    site.body = '<a href="/plain?plain" data-track="leave">leave</a>'
    page = open_page("/left")
    page.click("a")

    (click,) = eventually(lambda: collector.stored("click"), 10)
    assert click["tag"] == "leave"
    assert eventually(lambda: collector.stored("page_leave"), 10)


def test_a_page_that_is_left_in_mid_flight_sends_the_rest(collector: FakeCollector, open_page: OpenPage) -> None:
    with collector.hanging():
        page = open_page("/left")
        press(page, 2)
        eventually(lambda: collector.sent(), 10)
        page.goto("about:blank")
        # Together with what the page had under way, everything is out before anything was answered.
        eventually(lambda: {each["event_type"] for each in collector.sent()} >= {"page_leave"}, 10)
        assert len(set(ids(collector.sent("click")))) == 2
        assert collector.stored() == []

    eventually(lambda: len(collector.stored()) == 4, 10)
    assert len(set(ids(collector.stored()))) == 4


def test_where_fetch_fails_as_the_page_ends_a_beacon_is_sent(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page("/left")
    eventually(lambda: collector.stored("page_view"), 10)
    page.evaluate("() => { window.fetch = () => { throw new TypeError('none here'); }; }")
    page.goto("about:blank")

    (event,) = eventually(lambda: collector.stored("page_leave"), 10)
    assert event["page_url"] == "/left"
    assert collector.requests[-1].headers["Content-Type"].lower() == "text/plain;charset=utf-8"


def test_the_next_page_sends_what_had_no_answer(collector: FakeCollector, site: WebSite, open_page: OpenPage) -> None:
    page = open_page("/first")
    eventually(lambda: collector.stored("page_view"), 10)
    collector.drops()
    press(page, 2)
    eventually(lambda: collector.sent("click"), 10)
    page.goto(f"{site.url}/plain?plain")
    collector.answers(200)
    page.goto(f"{site.url}/second")

    clicked(collector, 2)
    eventually(lambda: collector.stored("page_leave"), 10)
    emptied(page)
    sent = collector.sent("click")
    assert all(len([other for other in sent if other == each]) > 1 for each in sent[:1]), "sent again as it was"


def test_a_queue_that_is_too_long_for_the_end_of_a_page_waits_for_the_next(
    collector: FakeCollector, site: WebSite, open_page: OpenPage
) -> None:
    page = open_page("/first")
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=60)
    press(page)
    eventually(lambda: collector.sent("click"), 10)
    page.evaluate("for (let n = 0; n < 200; n++) clickstream.track('custom', { tag: 'x'.repeat(1000) + n })")
    collector.answers(200)
    page.goto(f"{site.url}/second")
    eventually(lambda: len(set(ids(collector.stored("custom")))) == 200, 20)

    emptied(page)
    assert len(collector.stored("custom")) > 200, "some went out with the page already, in 64 KiB"


def test_a_reload_loses_nothing(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page()
    with collector.hanging():
        press(page, 5)
        page.reload()
    eventually(lambda: len(set(ids(collector.stored("click")))) == 5, 10)

    emptied(page)
    assert len(set(ids(collector.stored("page_view")))) == 2


def test_a_crash_loses_nothing(
    collector: FakeCollector, visitor: BrowserContext, site: WebSite, open_page: OpenPage
) -> None:
    page = open_page()
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503)
    press(page, 3)
    eventually(lambda: page.evaluate(_QUEUE), 10)
    with contextlib.suppress(Exception):
        page.goto("chrome://crash", timeout=3_000)
    collector.answers(200)
    other = open_page("/other")
    # The tab that is no more said when its lease would be over.
    other.evaluate("for (const key in localStorage) if (/^clickstream:.{8}$/.test(key)) localStorage[key] = 1")
    press(other)

    eventually(lambda: len(set(ids(collector.stored("click")))) == 4, 10)
    emptied(other)


def test_offline_then_online(collector: FakeCollector, visitor: BrowserContext, open_page: OpenPage) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    visitor.set_offline(True)
    press(page, 4)
    page.wait_for_timeout(4_000)  # several attempts: the next one would be seconds away
    assert collector.sent("click") == []
    visitor.set_offline(False)

    began = time.monotonic()
    taken = clicked(collector, 4)
    assert time.monotonic() - began < 2, "being online again wakes it"
    assert len(ids(collector.sent("click"))) == 4
    (request,) = {each.query["sent_at"]: each for each in collector.requests if taken[0] in each.events}.values()
    assert parse_timestamp(request.query["sent_at"]) - parse_timestamp(taken[0]["timestamp"]) > 3_000


@pytest.mark.parametrize("status", [503, 429])
def test_a_refusal_for_now_is_honoured_and_nothing_is_lost_or_doubled(
    collector: FakeCollector, open_page: OpenPage, status: int
) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(status, retry_after=5)
    press(page)
    eventually(lambda: collector.sent("click"), 10)
    collector.answers(200)
    press(page, 4)
    clicked(collector, 5)

    assert [len(each.events) for each in collector.requests] == [1, 1, 5], "it sent all at once"
    refused, taken = collector.requests[1:]
    assert taken.came - refused.came >= 4.99, "after it had waited for so many seconds"
    emptied(page)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 0])
def test_without_word_of_when_to_come_back_it_tries_ever_more_rarely(
    collector: FakeCollector, open_page: OpenPage, status: int
) -> None:
    came: list[float] = []

    def answer(events: Any) -> Answer:
        came.append(time.monotonic())
        return (Answer(drop=True) if status == 0 else Answer(status)) if len(came) < 4 else Answer()

    collector.answer = answer
    open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 20)

    pauses = [later - earlier for earlier, later in pairwise(came)]
    # Chromium itself repeats at once, now and then, what was dropped or timed out.
    assert len(pauses) == 3
    assert sum(pauses) >= (0.9 if status in (0, 408) else 3.4)
    assert len(set(ids(collector.sent()))) == 1


def test_a_collector_that_does_not_answer_is_asked_again(
    collector: FakeCollector, open_page: OpenPage, visitor: BrowserContext
) -> None:
    page = open_page(script=_IMPATIENT + "AbortSignal.timeout = (real => ms => real(ms / 20))(AbortSignal.timeout);")
    eventually(lambda: collector.stored("page_view"), 10)
    with collector.hanging():
        press(page)
        eventually(lambda: len(collector.sent("click")) > 1, 10)
        assert len(set(ids(collector.sent("click")))) == 1
    emptied(page)


def test_what_the_collector_will_never_take_is_dropped(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page()
    eventually(lambda: collector.stored("page_view"), 10)
    for status in (400, 403, 415):
        collector.answers(status)
        press(page)
        emptied(page)
    collector.answers(200)
    press(page)
    clicked(collector, 1)

    assert len(collector.sent("click")) == 4, "each once"


def test_a_batch_that_is_too_large_is_split_until_only_what_is_too_large_is_left(
    collector: FakeCollector, open_page: OpenPage
) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=1)
    press(page)
    eventually(lambda: collector.sent("click"), 10)
    page.evaluate("for (let n = 0; n < 20; n++) clickstream.track('custom', { tag: n === 13 ? 'huge' : `t${n}` })")
    collector.answer = lambda events: Answer(413 if any(each.get("tag") == "huge" for each in events) else 200)
    eventually(lambda: len(collector.stored("custom")) == 19, 20)

    emptied(page)
    assert {each["tag"] for each in collector.stored("custom")} == {f"t{n}" for n in range(20) if n != 13}
    clicked(collector, 1)


def test_a_long_queue_is_sent_in_order_in_chunks(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=1)
    press(page)
    eventually(lambda: collector.sent("click"), 10)
    page.evaluate("for (let n = 0; n < 300; n++) clickstream.track('custom', { tag: '가'.repeat(1000) + n })")
    collector.answers(200)
    eventually(lambda: len(collector.stored("custom")) == 300, 20)

    assert [each["tag"][1000:] for each in collector.stored("custom")] == [str(n) for n in range(300)]
    assert max(len(each.body) for each in collector.requests) < 64_000
    assert sum(len(each.body) for each in collector.requests) > 900_000


def test_the_queue_is_bounded_and_keeps_the_newest(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=2)
    press(page)
    eventually(lambda: collector.sent("click"), 10)
    page.evaluate("for (let n = 0; n < 1500; n++) clickstream.track('custom', { tag: `${n}` })")
    assert len(page.evaluate(_QUEUE)) == 1001, "the events, and the lease"
    collector.answers(200)
    eventually(lambda: len(collector.stored("custom")) >= 1000, 30)

    assert [each["tag"] for each in collector.stored("custom")] == [str(n) for n in range(500, 1500)]


def test_two_tabs_send_their_events_once_and_keep_each_others(
    collector: FakeCollector, visitor: BrowserContext, open_page: OpenPage
) -> None:
    tabs = [open_page("/a", _IMPATIENT), open_page("/b", _IMPATIENT)]
    eventually(lambda: len(collector.stored("page_view")) == 2, 10)
    collector.answers(503, retry_after=1)
    for tab in tabs * 5:
        press(tab, 2)
    eventually(lambda: collector.sent("click"), 10)
    collector.answers(200)
    clicked(collector, 20)

    for tab in tabs:
        emptied(tab)
    assert len(collector.stored()) == 22
    assert len({each["session_id"] for each in collector.stored()}) == 1


def test_a_tab_takes_over_what_a_closed_one_left(
    collector: FakeCollector, visitor: BrowserContext, open_page: OpenPage
) -> None:
    first, second = open_page("/a", _IMPATIENT), open_page("/b", _IMPATIENT)
    eventually(lambda: len(collector.stored("page_view")) == 2, 10)
    collector.answers(503)
    press(first, 3)
    eventually(lambda: collector.sent("click"), 10)
    first.close(run_before_unload=True)  # does not wait for what the page sends last
    eventually(lambda: collector.sent("page_leave"), 10)
    collector.answers(200)
    press(second)

    clicked(collector, 4)
    emptied(second)


def test_a_tab_that_slept_does_not_send_what_another_has_taken(
    collector: FakeCollector, visitor: BrowserContext, open_page: OpenPage
) -> None:
    sleeper = open_page("/a", _IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=6)
    press(sleeper, 2)
    eventually(lambda: collector.sent("click"), 10)
    # Suspended, as phones do with tabs in the background: its timers stop, and when it goes on its lease is long over.
    sleeper.evaluate("window.now = Date.now; Date.now = () => window.now() + 600000")
    collector.answers(200)
    other = open_page("/b", _IMPATIENT)
    other.evaluate("for (const key in localStorage) if (/^clickstream:.{8}$/.test(key)) localStorage[key] = 1")
    press(other)
    eventually(lambda: len(collector.stored("click")) == 3, 10)
    press(sleeper)

    clicked(collector, 4)


def test_a_page_that_empties_the_storage_loses_no_event(collector: FakeCollector, open_page: OpenPage) -> None:
    page = open_page(script=_IMPATIENT)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=1)
    press(page, 2)
    eventually(lambda: collector.sent("click"), 10)
    page.evaluate("localStorage.clear()")
    press(page)
    collector.answers(200)

    clicked(collector, 3)


@pytest.mark.parametrize(
    "obstacle",
    [
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });",
        "Object.defineProperty(window, 'localStorage', { value: null });",
        """for (let n = 0, more = 'x'.repeat(2 ** 20); more; n++)
            try { localStorage['full' + n] = more; } catch { more = more.slice(1 + more.length / 2); }""",
    ],
    ids=["blocked", "none", "full"],
)
def test_without_storage_events_wait_in_memory(collector: FakeCollector, open_page: OpenPage, obstacle: str) -> None:
    page = open_page(script=_IMPATIENT + obstacle)
    eventually(lambda: collector.stored("page_view"), 10)
    collector.answers(503, retry_after=1)
    press(page, 3)
    eventually(lambda: collector.sent("click"), 10)
    collector.answers(200)

    assert not {"user_id", "session_id"} & set(clicked(collector, 3)[0]), "the collector makes them"
    page.goto("about:blank")
    assert eventually(lambda: collector.stored("page_leave"), 10)


def test_broken_remains_in_the_storage_do_no_harm(collector: FakeCollector, open_page: OpenPage) -> None:
    remains = """if (!localStorage.put) Object.assign(localStorage, {
        put: "1", "clickstream:0badc0de:1": "{", "clickstream:0badc0de:2": "null", "clickstream:deadbeef": "1",
        "clickstream:session": "{}", "clickstream:0badc0de:3": '{"event_type":"click","event_id":"kept"}',
    })"""
    page = open_page(script=remains)

    assert clicked(collector, 1)[0]["event_id"] == "kept"
    emptied(page)
    assert page.evaluate("localStorage.put") == "1"


@pytest.mark.parametrize(("minutes", "trouble", "repeated"), [(1, False, True), (9, False, False), (9, True, True)])
def test_an_old_page_leave_is_sent_again_only_when_something_was_amiss(
    collector: FakeCollector, open_page: OpenPage, minutes: int, trouble: bool, repeated: bool
) -> None:
    left = f"""if (!localStorage.put) {{
        const at = new Date(Date.now() - {minutes} * 60000).toISOString();
        const event = type => JSON.stringify({{ event_type: type, event_id: type, timestamp: at }});
        localStorage.put = 1;
        localStorage["clickstream:0badc0de:0"] = event("click");
        localStorage["clickstream:0badc0de:1"] = event("page_leave");
        if ({str(trouble).lower()}) localStorage["clickstream:0badc0de"] = 0;
    }}"""
    page = open_page(script=left)
    clicked(collector, 1)

    emptied(page)
    assert bool(collector.stored("page_leave")) is repeated
