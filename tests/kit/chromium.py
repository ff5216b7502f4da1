"""A headless Chromium, the machine's own (Debian's package `chromium`), driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from kit.skipping import skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser; without one the test is skipped and says what to install."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        skip("there is no Chromium on this machine; Debian and Ubuntu have it: apt-get install chromium")
    with sync_playwright() as playwright:
        # In containers tests run as root, where Chromium's sandbox is not available; it only opens our own page.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
