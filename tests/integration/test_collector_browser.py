"""Visitors with real browsers in the demo shop, the real collector and Kafka, and trouble: every click arrives.

Short by default; the whole run is

    COLLECTOR_VISITS=200 COLLECTOR_OUTAGE_SECONDS=60 .venv/bin/pytest -s tests/integration/test_collector_browser.py
"""

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from clickstream_shop.main import ShopSettings, shop_server
from kit.collector import Collector, start_collector
from kit.poll import eventually
from kit.processes import Apps
from kit.topics import PipelineTopics, create_topics

VISITS = int(os.environ.get("COLLECTOR_VISITS", "12"))
OUTAGE_SECONDS = float(os.environ.get("COLLECTOR_OUTAGE_SECONDS", "8"))
_VISITORS = 3
_LEASE_SECONDS = 60
_QUEUE = "Object.keys(localStorage).filter(key => /^clickstream:[0-9a-f]{8}:/.test(key))"
_NAME = "(button, name) => { button.id = name; }"


@pytest.fixture
def open_shop() -> Iterator[Callable[[str], str]]:
    """Opens a shop whose clicks go to a collector's address; returns the shop's."""
    with ExitStack() as opened:

        def open_shop(collector: str) -> str:
            port = free_port()
            opened.enter_context(shop_server(ShopSettings(port=port, collector=collector)))
            return f"http://localhost:{port}"

        yield open_shop


class Visitors:
    """Some people, each with a browser of their own, who visit the shop.

    Every click has a name, its element's id; `clicks` says of each what happened in its visit.
    """

    def __init__(self, browser: Browser, shop: str, seed: int) -> None:
        self._shop = shop
        self._chance = random.Random(seed)
        self._contexts = [browser.new_context() for _ in range(_VISITORS)]
        self._visits = 0
        self.clicks: dict[str, str] = {}
        self.thrown: list[str] = []

    def visit(self) -> None:
        """One visit: a few pages with clicks, and one of the things that happen to pages."""
        self._visits += 1
        context = self._contexts[self._visits % _VISITORS]
        page = self._open(context, self._chance.choice(["/", "/deals", "/categories/toys", "/products/laptop"]))
        for _ in range(self._chance.randint(1, 3)):
            self._click(page)
        happening = self._chance.choice([self._reload, self._navigate, self._move, self._search, self._go_offline])
        happening(page, context)
        self._click(page)
        # Most leave; a few browsers come to a sudden end, and what they had not sent waits for the next visit.
        in_order = self._chance.random() < 0.95
        page.close(run_before_unload=in_order)
        for name, told in self.clicks.items():
            self.clicks[name] = told or f"visit {self._visits}, {happening.__name__}, {'' if in_order else 'sudden'}"

    def settle(self) -> None:
        """Let everybody come once more and stay until nothing is left to be sent."""
        for context in self._contexts:
            page = self._open(context, "/")
            eventually(lambda page=page: page.evaluate(_QUEUE) == [], 2 * _LEASE_SECONDS + 60, every=0.5)  # type: ignore[misc]

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _open(self, context: BrowserContext, path: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: self.thrown.append(str(error)))
        page.goto(self._shop + path)
        page.wait_for_function("window.clickstream")
        return page

    def _click(self, page: Page) -> None:
        buttons = page.locator("[data-add]:visible")
        button = buttons.nth(self._chance.randrange(buttons.count()))
        name = f"click-{len(self.clicks)}"
        button.evaluate(_NAME, name)
        button.click()
        self.clicks[name] = ""

    def _reload(self, page: Page, context: BrowserContext) -> None:
        self._click(page)
        page.reload()
        page.wait_for_function("window.clickstream")

    def _navigate(self, page: Page, context: BrowserContext) -> None:
        self._click(page)
        page.click(".card a >> nth=0")
        page.wait_for_url("**/products/*")
        page.wait_for_function("window.clickstream")

    def _move(self, page: Page, context: BrowserContext) -> None:
        """Single-page navigation, and back."""
        page.click(".categories a[href^='/categories/books']")
        expect(page.locator("h1")).to_have_text("Books")
        self._click(page)
        page.go_back()
        expect(page.locator("h1")).not_to_have_text("Books")

    def _search(self, page: Page, context: BrowserContext) -> None:
        page.fill("input[name=q]", "la")
        page.locator(".search button").evaluate(_NAME, name := f"click-{len(self.clicks)}")
        page.press("input[name=q]", "Enter")
        self.clicks[name] = ""
        expect(page.locator("#found")).to_contain_text("la")
        page.wait_for_function("window.clickstream")

    def _go_offline(self, page: Page, context: BrowserContext) -> None:
        context.set_offline(True)
        for _ in range(3):
            self._click(page)
        page.wait_for_timeout(self._chance.randint(0, 1500))
        context.set_offline(False)


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Callable[[str], Visitors]]:
    came: list[Visitors] = []

    def come(shop: str) -> Visitors:
        came.append(Visitors(browser, shop, seed=VISITS))
        return came[-1]

    yield come
    for each in came:
        each.close()


def stored(topics: PipelineTopics) -> list[dict[str, Any]]:
    """The events in the topic."""
    return [json.loads(each.value or b"") for each in topics.read(topics.events, "read_committed")]


def wait_for(clicks: Mapping[str, str], topics: PipelineTopics) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Wait until all clicks are in the topic; return its events, and how often it has each click."""

    def arrived() -> tuple[list[dict[str, Any]], Counter[str]]:
        events = stored(topics)
        counted = Counter(each["element_id"] for each in events if each.get("element_id", "").startswith("click-"))
        missing = {name: told for name, told in clicks.items() if name not in counted}
        assert not missing, f"{len(missing)} of {len(clicks)} clicks are missing: {missing}"
        return events, counted

    return eventually(arrived, 30, every=1)


def test_every_click_is_in_kafka_exactly_once_though_kafka_is_away_for_a_while(
    own_broker: Broker, apps: Apps, open_shop: Callable[[str], str], visitors: Callable[[str], Visitors]
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    collector = start_collector(apps, topics)
    people = visitors(open_shop(f"http://localhost:{collector.port}"))

    def outage() -> None:
        own_broker.stop()
        threading.Event().wait(OUTAGE_SECONDS)
        own_broker.start()

    trouble = threading.Thread(target=outage, name="outage")
    for number in range(VISITS):
        if number == VISITS // 3:
            trouble.start()
        people.visit()
    trouble.join()
    people.settle()
    events, counted = wait_for(people.clicks, topics)

    print(f"{VISITS} visits, {len(people.clicks)} clicks, {len(events)} events, Kafka away for {OUTAGE_SECONDS:g} s")
    assert counted == Counter(list(people.clicks)), "each click once, and no other"
    repeated = {each: times for each, times in Counter(each["event_id"] for each in events).items() if times > 1}
    assert not repeated
    types = Counter(each["event_type"] for each in events)
    assert types["add_to_cart"] + types["search"] == len(people.clicks)
    assert set(types) - {"search"} == {"page_view", "page_leave", "add_to_cart"}
    assert {each["site_key"] for each in events} == {"demo-shop"}
    assert {each["device_type"] for each in events} == {"desktop"}
    assert people.thrown == []


def test_every_click_is_in_kafka_though_the_collector_is_killed(
    topics: PipelineTopics, apps: Apps, open_shop: Callable[[str], str], visitors: Callable[[str], Visitors]
) -> None:
    collector = start_collector(apps, topics)
    people = visitors(open_shop(f"http://localhost:{collector.port}"))

    def killing() -> None:
        collector.app.kill()
        ports = {"HTTP_PORT": str(collector.port), "ADMIN_PORT": str(collector.app.http_port)}
        apps.start("clickstream_collector.main", environ=topics.environ | ports)

    trouble = threading.Thread(target=killing, name="killing")
    for number in range(max(6, VISITS // 4)):
        if number == 3:
            trouble.start()
        people.visit()
    trouble.join()
    people.settle()
    _, counted = wait_for(people.clicks, topics)

    print(f"{len(people.clicks)} clicks, {sum(counted.values()) - len(counted)} of them a second time")
    assert set(counted) == set(people.clicks)
    assert people.thrown == []


def test_a_browser_may_read_when_it_shall_come_back(
    own_broker: Broker, apps: Apps, browser: Browser, open_shop: Callable[[str], str]
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    collector: Collector = start_collector(apps, topics)
    context = browser.new_context()
    page = context.new_page()
    page.goto(open_shop(f"http://localhost:{collector.port}"))
    own_broker.stop()
    answer = page.evaluate(
        """async url => {
            const answer = await fetch(url, { method: "POST", body: '[{"path":"/"}]' });
            return [answer.status, answer.headers.get("Retry-After")];
        }""",
        f"http://localhost:{collector.port}/ingest",
    )
    context.close()

    assert answer[0] == 503
    assert int(answer[1]) > 0
