"""A browser on a page with the snippet, and a collector that does as the test says."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from kit.snippet import FakeCollector, WebSite, web_site

OpenPage = Callable[..., Page]


@pytest.fixture
def site(collector: FakeCollector) -> Iterator[WebSite]:
    with web_site(collector) as site:
        yield site


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor with an empty browser."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def open_page(visitor: BrowserContext, site: WebSite) -> Iterator[OpenPage]:
    """Opens a path of the site in a new tab, after running `script` in it; in the end nothing may have been thrown."""
    thrown: list[str] = []

    def open_page(path: str = "/", script: str = "", **goto: str) -> Page:
        page = visitor.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(site.url + path, referer=goto.get("referer"))
        return page

    yield open_page
    assert thrown == []
