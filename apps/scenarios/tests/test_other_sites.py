"""Pages of other sites, in a real Chromium whose user is signed in: they change nothing, and read nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine
from starlette.requests import Request

from clickstream_core.password_hashes import hash_password
from clickstream_scenarios import admin_site, sign_in
from clickstream_scenarios.cache import Cache
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario, get_changes, load_scenarios
from clickstream_scenarios.sign_in import NONE, PASSWORD, SignIn, refuse_other_sites
from clickstream_web.errors import Refused
from kit.poll import eventually
from kit.scenario_admin import Admin, scenario_admin
from kit.scenarios import REFERENCE

NOW = datetime(2026, 11, 27, tzinfo=UTC)

# What a page can send without asking (forms, simple requests, beacons), and what a browser asks about first.
HOSTILE = """<!doctype html><title>a page with kittens</title>
<iframe name="a"></iframe><iframe name="b"></iframe><iframe name="c"></iframe>
<iframe id="framed" src="ADMIN#/5"></iframe>
<form id="text" action="ADMINapi/scenarios" method="post" enctype="text/plain" target="a">
  <input name='{"title":"evil","manager":"' value='"}'></form>
<form id="plain" action="ADMINapi/scenarios/5/restore" method="post" target="b">
  <input name="version" value="2"><input name="restore" value="1"></form>
<form id="out" action="ADMINapi/session" method="post" enctype="multipart/form-data" target="c">
  <input name="user" value="evil"></form>
<script>
const evil = JSON.stringify({ scenario_id: 5, version: 1, title: "evil", filters: [] });
const json = { "Content-Type": "application/json" };
const asked = (path, options) => fetch(`ADMINapi/${path}`, { body: evil, credentials: "include", ...options });
const sent = (body) => { navigator.sendBeacon("ADMINapi/scenarios", body); return { text: () => "" }; };
const attempts = {
  "a simple PUT": () => asked("scenarios/5", { method: "PUT" }),
  "a JSON PUT": () => asked("scenarios/5", { method: "PUT", headers: json }),
  "a JSON POST": () => asked("scenarios", { method: "POST", headers: json }),
  "a simple POST": () => asked("scenarios", { method: "POST" }),
  "an opaque POST": () => asked("scenarios", { method: "POST", mode: "no-cors" }),
  "a sign-out": () => asked("session", { method: "DELETE", headers: json, body: "{}" }),
  "a beacon": () => sent(evil),
  "a JSON beacon": () => sent(new Blob([evil], { type: "application/json" })),
  "a look": () => fetch("ADMINapi/scenarios", { credentials: "include" }),
};
(async () => {
  for (const form of document.forms) form.submit();
  const got = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try { got[name] = await (await attempt()).text(); } catch { got[name] = ""; }
  }
  window.got = got;
})();
</script>"""


@contextmanager
def hostile_site(host: str, admin: Admin) -> Iterator[str]:
    """Serve the page at another port of `host`; yields its address."""
    page = HOSTILE.replace("ADMIN", admin.url).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def engine(tmp_path: Path, open_database: Callable[[str], Engine]) -> Engine:
    made = open_database(f"sqlite:///{tmp_path}/scenarios.db")
    migrate(made)
    create_scenario(made, read_scenario(REFERENCE), "kim", NOW)
    return made


def _sign_in(way: str) -> SignIn:
    hashed = hash_password("correct horse battery")
    return SignIn(way, b"k" * 32, lambda: {"kim": hashed})


def _open_signed_in(page: Page, admin: Admin, way: str) -> None:
    page.goto(admin.url)
    if way == PASSWORD:
        page.locator("#sign-in").get_by_label("Name").fill("kim")
        page.get_by_label("Password").fill("correct horse battery")
        page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=str(REFERENCE["title"]))).to_be_visible()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server refuses because another site sent it."""
    found: list[str] = []

    def watched(request: Request) -> None:
        try:
            refuse_other_sites(request)
        except Refused as refusal:
            found.append(f"{request.method} {request.url.path} {refusal.status_code}")
            raise

    monkeypatch.setattr(sign_in, "refuse_other_sites", watched)
    monkeypatch.setattr(admin_site, "refuse_other_sites", watched)
    return found


# A page at another port is of another origin. At localhost it is of the same site: its requests carry the cookie.
@pytest.mark.parametrize(("way", "host"), [(PASSWORD, "localhost"), (PASSWORD, "127.0.0.1"), (NONE, "127.0.0.1")])
def test_a_hostile_page_changes_and_reads_nothing(
    engine: Engine,
    open_cache: Callable[[str | None], Cache],
    browser: Browser,
    refused: list[str],
    way: str,
    host: str,
) -> None:
    before = load_scenarios(engine)
    context = browser.new_context(locale="en-US")
    with scenario_admin(engine, open_cache(None), _sign_in(way)) as admin, hostile_site(host, admin) as site:
        own = context.new_page()
        _open_signed_in(own, admin, way)
        page = context.new_page()
        page.goto(site)
        page.wait_for_function("window.got")
        assert set(page.evaluate("Object.values(window.got)")) == {""}, "what it could read"
        # Two forms, two POSTs and a beacon: the others the browser does not send, after it asked whether it may.
        eventually(lambda: refused.count("POST /api/scenarios 403") >= 4 and len(refused) >= 6, 30)
        assert set(refused) == {f"POST /api/{each} 403" for each in ("scenarios", "scenarios/5/restore", "session")}
        assert load_scenarios(engine) == before
        assert page.frame_locator("#framed").get_by_role("link").count() == 0, "it can't be put into a frame"

        assert _changed_from_its_own_page(own) == 200, "still signed in"
    context.close()
    assert [each.action for each in get_changes(engine, 5)] == ["edited", "created"]


def _changed_from_its_own_page(own: Page) -> int:
    """The same request from the page itself, to show that only its origin was wrong; returns the status."""
    status: int = own.evaluate(
        """async () => (await fetch("api/scenarios/5", {
          method: "PUT", headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ scenario_id: 5, version: 1, title: "mine", filters: [] }),
        })).status"""
    )
    return status
