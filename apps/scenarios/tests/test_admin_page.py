import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from clickstream_core.password_hashes import hash_password
from clickstream_scenarios import scenario_api
from clickstream_scenarios.cache import Cache
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.requests import Request
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario, get_scenario
from clickstream_scenarios.sign_in import PASSWORD, SignIn
from kit.redis_server import RedisServer
from kit.scenario_admin import Admin, Recent, scenario_admin
from kit.scenarios import REFERENCE

NOW = datetime(2026, 11, 27, tzinfo=UTC)
MARKUP = "<img src=x onerror=alert(1)>"
OpenCache = Callable[[str | None], Cache]


@pytest.fixture
def engine(tmp_path: Path, open_database: Callable[[str], Engine]) -> Engine:
    made = open_database(f"sqlite:///{tmp_path}/scenarios.db")
    migrate(made)
    create_scenario(made, read_scenario(REFERENCE), MARKUP, NOW)
    return made


@pytest.fixture
def admin(engine: Engine, redis: RedisServer, open_cache: OpenCache) -> Iterator[Admin]:
    requests = [Request(5, 1_790_000_000_000, fields={"memberId": "1", "h": "10", "e_c": "click"})] * 4
    with scenario_admin(engine, open_cache(redis.url), recent=Recent(requests)) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("dialog", lambda dialog: dialog.accept())
    yield opened
    context.close()
    assert errors == []


def test_a_scenario_is_made_tried_saved_changed_and_restored(admin: Admin, page: Page, engine: Engine) -> None:
    page.goto(f"{admin.url}#/new")
    page.locator("#scenario").get_by_label("Name").fill(MARKUP)
    page.locator("#scenario").get_by_label("Time zone").fill("Asia/Seoul")
    page.get_by_role("button", name="+ Add a condition").click()
    condition = page.get_by_role("group", name="Condition 1")
    condition.get_by_label("Field").fill("h")
    condition.get_by_label("Operator").select_option(label="is at least")
    condition.get_by_label("Value").fill("9")
    expect(page.locator("#sentence")).to_contain_text(
        "A request succeeds if the hour is at least 9. Its result keeps memberId"
    )
    page.get_by_role("button", name="Try on the last requests").click()
    expect(page.locator("#trial-text")).to_contain_text("4 would succeed (100.0%)")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#editor-title")).to_have_text("Scenario 6, version 1")
    saved = get_scenario(engine, 6).scenario
    assert (saved.title, saved.timezone, saved.filters[0].right) == (MARKUP, "Asia/Seoul", "9")
    condition.get_by_label("Value").fill("10")
    page.keyboard.press("Enter")
    expect(page.locator("#editor-title")).to_have_text("Scenario 6, version 2")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.locator("#editor-title")).to_have_text("Scenario 6, version 3, inactive")
    page.get_by_role("button", name="Restore version 1").click()
    expect(page.locator("#editor-title")).to_have_text("Scenario 6, version 4, inactive")
    assert get_scenario(engine, 6).scenario.filters[0].right == "9"
    page.get_by_role("link", name="← Scenarios").click()
    page.locator("#state label", has_text="Inactive").click()
    expect(page.get_by_role("link", name=MARKUP)).to_be_visible()


def test_what_is_wrong_is_said_beside_the_form_and_marks_its_field(admin: Admin, page: Page, engine: Engine) -> None:
    page.goto(f"{admin.url}?lang=ko#/5")
    page.locator("#scenario").get_by_label("이름").fill("")
    page.get_by_role("group", name="조건 1").get_by_label("연산자").select_option(value="matches")
    page.get_by_role("group", name="조건 1").get_by_label("값").fill("(")
    expect(page.locator("#problems")).to_contain_text("이름: 1자에서 200자 사이의 텍스트여야 합니다")
    expect(page.locator("#problems")).to_contain_text("조건 1: RE2 정규식이 아닙니다")
    expect(page.locator("[aria-invalid]")).to_have_count(2)
    page.get_by_role("button", name="저장").click()
    expect(page.locator("#problems li")).to_have_count(2)
    assert get_scenario(engine, 5).scenario.version == 1


def test_two_who_edit_at_once_see_each_other(admin: Admin, page: Page, engine: Engine) -> None:
    page.goto(f"{admin.url}#/5")
    expect(page.locator("#editor-title")).to_have_text("Scenario 5, version 1")
    admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "filters": []})
    page.locator("#scenario").get_by_label("Name").fill("mine")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#conflict-text")).to_contain_text("local made version 2")
    expect(page.locator("#conflict-text")).to_contain_text("Every request succeeds: there are no conditions.")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.locator("#editor-title")).to_have_text("Scenario 5, version 3")
    saved = get_scenario(engine, 5).scenario
    assert (saved.title, len(saved.filters)) == ("mine", 3)


def test_a_user_signs_in_with_the_keyboard_and_out(
    engine: Engine, open_cache: OpenCache, browser: Browser, page: Page
) -> None:
    hashed = hash_password("correct horse battery")
    sign_in = SignIn(PASSWORD, b"k" * 32, lambda: {"kim": hashed})
    with scenario_admin(engine, open_cache(None), sign_in) as admin:
        page.goto(admin.url)
        expect(page.locator("#sign-in").get_by_label("Name")).to_be_focused()
        page.keyboard.type("kim")
        page.keyboard.press("Tab")
        page.keyboard.type("wrong password")
        page.keyboard.press("Enter")
        expect(page.locator("#sign-in-error")).to_have_text("wrong name or password")
        page.get_by_label("Password").fill("correct horse battery")
        page.keyboard.press("Enter")
        expect(page.locator("#user")).to_have_text("Signed in as kim")
        expect(page.get_by_role("link", name=str(REFERENCE["title"]))).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()


def test_numbers_are_live_and_five_hundred_scenarios_are_shown_at_once(
    admin: Admin, page: Page, engine: Engine, redis: RedisServer
) -> None:
    for number in range(6, 506):
        create_scenario(engine, read_scenario({**REFERENCE, "scenario_id": number, "title": f"n {number}"}), "kim", NOW)
    page.goto(admin.url)
    expect(page.locator("#list-note")).to_have_text("501 of 501 scenarios")
    ratio = {"success_ratio": 0.85, "total_count": 100, "success_count": 85, "updated_at": "2025-06-18 12:50:10"}
    with redis.client as client:
        client.set("scenario:5:success_ratio", json.dumps(ratio))
    row = page.get_by_role("row", name=str(REFERENCE["title"]))
    expect(row).to_contain_text("85.0%", timeout=20_000)
    page.get_by_label("Search by name, manager, field or ID").fill("n 77")
    expect(page.locator("#list-note")).to_have_text("1 of 501 scenarios")


@pytest.mark.parametrize("address", ["", "#/5", "#/new"])
def test_on_a_phone_nothing_is_wider_than_the_screen(admin: Admin, browser: Browser, address: str) -> None:
    context = browser.new_context(locale="ko-KR", viewport={"width": 360, "height": 740}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{admin.url}{address}")
    expect(page.locator("#list:visible, #editor:visible")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("html").get_attribute("lang") == "ko"
    context.close()


def test_both_languages_have_the_same_words() -> None:
    file = Path(scenario_api.__file__).parent / "web" / "messages.json"
    english, korean = json.loads(file.read_text(encoding="utf-8")).values()
    assert english.keys() == korean.keys()
