"""The page in a real browser. PAGE_SCREENSHOTS=folder keeps the pictures, to be looked at."""

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from clickstream_core.receipts import PartitionReceipt, encode_receipt
from clickstream_core.timestamps import format_seconds, parse_timestamp
from clickstream_core.window_metrics import WindowMetrics
from kit.page import Site, served_page

OpenPage = Callable[..., Page]
BANNER = "#banner"


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    """Opens the page as a reader in Seoul does; in the end nothing may have gone wrong in the browser's eyes."""
    complaints: list[str] = []
    contexts = []

    def open_page(
        width: int = 1280, scheme: str = "light", locale: str = "en-US", path: str = "", zone: str = "Asia/Seoul"
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=locale,
            timezone_id=zone,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda sent: None if sent.url.startswith(site.url) else complaints.append(sent.url))
        page.goto(site.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[Page, str], None]:
    folder = Path(os.environ.get("PAGE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        page.wait_for_timeout(600)  # the charts' movement; nothing is asserted on it
        page.screenshot(path=folder / f"{name}.png", full_page=True)

    return keep


Keep = Callable[[Page, str], None]


@pytest.mark.parametrize(
    ("name", "width", "scheme", "locale"),
    [
        ("desktop-light-en", 1280, "light", "en-US"),
        ("desktop-dark-ko", 1280, "dark", "ko-KR"),
        ("phone-light-ko", 360, "light", "ko-KR"),
        ("phone-dark-en", 360, "dark", "en-US"),
    ],
)
def test_the_first_load_shows_the_latest_window(
    site: Site, open_page: OpenPage, keep: Keep, name: str, width: int, scheme: str, locale: str
) -> None:
    site.fill(300)
    site.ready()
    page = open_page(width, scheme, locale)
    english = locale == "en-US"
    expect(page.locator("h1")).to_have_text("Clickstream metrics" if english else "클릭스트림 메트릭")
    expect(page.locator("#period")).to_have_text(
        "Sep 21 23:13:00 – 23:13:30" if english else "9월 21일 23:13:00 – 23:13:30"
    )
    expect(page.locator("#total_events")).to_have_text("3,000")
    expect(page.locator("#state-text")).to_have_text("Live" if english else "실시간")
    expect(page.locator("canvas")).to_have_count(6)
    keep(page, f"first-load-{name}")
    assert page.evaluate(_FITS), "nothing is wider than the screen"
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    expect(page.locator("#history-table tbody tr")).to_have_count(120)
    assert page.evaluate(_FITS), "nor are the tables"
    keep(page, f"tables-{name}")
    assert page.evaluate(_DRAWN) == [True] * 6
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(14, 19, 24)" if scheme == "dark" else "rgb(244, 246, 248)")


def test_a_new_window_moves_the_page(site: Site, open_page: OpenPage, keep: Keep) -> None:
    site.fill(10)
    site.ready()
    page = open_page()
    expect(page.locator("#total_events")).to_have_text("3,000")
    expect(page.locator("#state-text")).to_have_text("Live")
    site.add(1, total_events=4321, unique_users=1234, event_types={"page_view": 4000, "add_to_cart": 1000})
    expect(page.locator("#total_events")).to_have_text("4,321")
    expect(page.locator("#total_events-change")).to_have_text("+44% vs. previous")
    expect(page.locator("#period")).to_contain_text("23:13:30 – 23:14:00")
    expect(page.locator("#news")).to_have_text(
        "New window Sep 21 23:13:30 – 23:14:00: 4,321 events, 1,234 users.", use_inner_text=False
    )
    expect(page.locator("#funnel-table tr").nth(2)).to_contain_text("25.0%", use_inner_text=False)
    label = page.locator("#history-chart").get_attribute("aria-label") or ""
    assert "in 11 windows" in label
    assert "the last one 4,321" in label
    keep(page, "new-window")


def test_a_revision_replaces_the_window_that_is_shown(site: Site, open_page: OpenPage, keep: Keep) -> None:
    site.fill(3)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    expect(page.locator("#revision")).to_be_hidden()
    site.add(0, revision=1, total_events=3111, approximate=True)
    expect(page.locator("#total_events")).to_have_text("3,111")
    expect(page.locator("#revision")).to_have_text("revision 1")
    expect(page.locator("#approximate")).to_be_visible()
    assert "in 3 windows" in (page.locator("#history-chart").get_attribute("aria-label") or "")
    keep(page, "revision")


def test_an_outage_of_kafka_shows_and_ends(site: Site, open_page: OpenPage, keep: Keep) -> None:
    site.fill(3)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    expect(page.locator(BANNER)).to_be_hidden()
    site.updates.status("away")
    expect(page.locator(BANNER)).to_contain_text("Kafka does not answer")
    expect(page.locator("#state-text")).to_have_text("Not live")
    expect(page.locator("#total_events")).to_have_text("3,000")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(BANNER)).to_be_in_viewport()
    keep(page, "kafka-away")
    site.updates.status("ready")
    expect(page.locator(BANNER)).to_be_hidden()
    expect(page.locator("#news")).to_have_text("Connected again; new windows appear as they close.")
    site.add(1, total_events=5)
    expect(page.locator("#total_events")).to_have_text("5")


def test_the_page_finds_a_consumer_that_was_restarted(browser: Browser, reference: WindowMetrics) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with served_page(reference) as first:
        first.fill(3)
        first.ready()
        page.goto(first.url)
        expect(page.locator("#state-text")).to_have_text("Live")
    expect(page.locator(BANNER)).to_have_text("The connection to the consumer was lost. Trying again …")
    with served_page(reference, first.port) as second:
        second.fill(3)
        second.add(1, total_events=77)
        second.ready()
        expect(page.locator("#total_events")).to_have_text("77", timeout=20_000)
        expect(page.locator(BANNER)).to_be_hidden()
        second.add(2, total_events=78)
        expect(page.locator("#total_events")).to_have_text("78")
    context.close()


def test_without_data_the_page_shows_what_to_do(site: Site, open_page: OpenPage, keep: Keep) -> None:
    page = open_page(360)
    expect(page.locator(BANNER)).to_have_text("Connecting to Kafka …")
    expect(page.locator("#empty")).to_be_hidden()  # not known yet
    expect(page.locator("#loading")).to_be_visible()
    site.ready()
    expect(page.locator("#state-text")).to_have_text("Live")
    expect(page.locator("#empty h2")).to_have_text("No window has closed yet")
    expect(page.locator("#empty li")).to_have_count(3)
    expect(page.locator("#loading")).to_be_hidden()
    keep(page, "no-data")
    site.add(0)
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#total_events")).to_have_text("3,000")


def test_without_scripts_the_page_shows_where_the_figures_are(site: Site, browser: Browser) -> None:
    context = browser.new_context(locale="en-US", java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.locator("#loading")).to_be_hidden()
    context.close()


def test_an_earlier_window_stays_on_the_page_until_the_latest_is_asked_for(site: Site, open_page: OpenPage) -> None:
    site.fill(5)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    page.locator("#earlier").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#period")).to_contain_text("23:12:30 – 23:13:00")
    expect(page.locator("#window-label")).to_have_text("Window")
    page.keyboard.press("Enter")
    expect(page.locator("#period")).to_contain_text("23:12:00 – 23:12:30")
    site.add(1, total_events=1)
    expect(page.locator("#news")).to_contain_text("New window")
    expect(page.locator("#period")).to_contain_text("23:12:00 – 23:12:30")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#period")).to_contain_text("23:13:30 – 23:14:00")
    assert page.evaluate("document.activeElement.id") == "latest", "the focus is not lost"
    site.add(2, total_events=2)
    expect(page.locator("#total_events")).to_have_text("2")


def test_earlier_is_the_window_before_the_one_that_came_last(site: Site, open_page: OpenPage) -> None:
    site.fill(5)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    for number in (1, 2, 3):
        site.add(number, total_events=number)
    expect(page.locator("#total_events")).to_have_text("3")
    page.locator("#earlier").click()
    expect(page.locator("#total_events")).to_have_text("2")
    page.locator("#later").click()
    expect(page.locator("#total_events")).to_have_text("3")


def test_many_windows_at_once_are_drawn_once(site: Site, open_page: OpenPage) -> None:
    site.fill(5)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    page.evaluate(_COUNT_CHANGES)
    for number in range(1, 201):
        site.add(number, total_events=number)
    expect(page.locator("#total_events")).to_have_text("200")
    assert "in 120 windows" in (page.locator("#history-chart").get_attribute("aria-label") or "")
    changes = page.evaluate("changes")
    print(f"200 windows drawn in {changes} steps")
    assert changes < 100


def test_a_point_of_the_history_can_be_chosen(site: Site, open_page: OpenPage) -> None:
    site.fill(20)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    page.locator("#history-chart").click(position={"x": 60, "y": 120})
    expect(page.locator("#period")).to_contain_text("Sep 21 23:0")
    expect(page.locator("#window-label")).to_have_text("Window")


def add_from(site: Site, start: str, windows: int, seconds: int) -> None:
    """Add windows of this many seconds, the first one beginning at `start`, as 2026-10-25T00:00:00Z."""
    first = parse_timestamp(start)
    for number in range(windows):
        begin = first + number * seconds * 1000
        site.add(0, window_start=format_seconds(begin), window_end=format_seconds(begin + seconds * 1000))


@pytest.mark.parametrize(
    ("zone", "locale", "start", "named"),
    [
        ("Europe/London", "en-US", "2026-11-26T12:00:00Z", "Times in Greenwich Mean Time"),
        ("Europe/London", "en-US", "2026-07-26T12:00:00Z", "Times in British Summer Time"),
        ("America/New_York", "en-US", "2026-07-26T12:00:00Z", "Times in Eastern Daylight Time"),
        ("America/New_York", "en-US", "2026-01-26T12:00:00Z", "Times in Eastern Standard Time"),
        ("Europe/London", "en-US", "2026-10-25T00:56:00Z", "Times in British Summer Time and Greenwich Mean Time"),
        ("Europe/London", "ko-KR", "2026-11-26T12:00:00Z", "시간대: 그리니치 표준시"),
        ("Asia/Seoul", "ko-KR", "2026-07-26T12:00:00Z", "시간대: 한국 표준시"),
    ],
)
def test_the_zone_that_is_named_is_that_of_the_times_that_are_shown(
    site: Site, open_page: OpenPage, zone: str, locale: str, start: str, named: str
) -> None:
    add_from(site, start, windows=10, seconds=60)
    site.ready()
    page = open_page(zone=zone, locale=locale)

    expect(page.locator("#zone")).to_have_text(named)


@pytest.mark.parametrize(
    ("width", "locale", "zone", "start"),
    [
        (1280, "en-US", "Europe/London", "2026-10-24T20:30:00Z"),
        (360, "ko-KR", "Europe/London", "2026-10-24T20:30:00Z"),
        (360, "en-US", "America/New_York", "2026-11-01T01:30:00Z"),
        (1280, "en-US", "Australia/Lord_Howe", "2026-04-04T10:30:00Z"),
    ],
)
def test_times_that_clocks_show_twice_are_distinguishable(
    site: Site, open_page: OpenPage, keep: Keep, width: int, locale: str, zone: str, start: str
) -> None:
    add_from(site, start, windows=72, seconds=300)
    site.ready()
    page = open_page(width, locale=locale, zone=zone)
    expect(page.locator("#total_events")).to_have_text("3,000")
    page.locator("input[name=range][value='6']").check(force=True)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    expect(page.locator("#history-table tbody tr")).to_have_count(72)

    texts = page.locator("#history-table tbody th").all_text_contents()
    assert len(set(texts)) == 72
    assert 12 <= len([text for text in texts if "GMT" in text or "E" in text]) <= 27, "elsewhere they only disturb"
    labels = page.evaluate(_AXIS_LABELS)
    assert len(set(labels)) == len(labels) > 2
    assert page.evaluate(_FITS)
    keep(page, f"clocks-turned-back-{zone.split('/')[1]}-{width}")


def test_a_window_in_the_repeated_hour_shows_its_offset(site: Site, open_page: OpenPage) -> None:
    add_from(site, "2026-10-25T00:30:00Z", windows=13, seconds=300)
    site.ready()
    page = open_page(zone="Europe/London")
    expect(page.locator("#period")).to_have_text("Oct 25 01:30 – 01:35 GMT")
    for _ in range(6):
        page.locator("#earlier").click()
    expect(page.locator("#period")).to_have_text("Oct 25 01:00 – 01:05 GMT")
    page.locator("#earlier").click()
    expect(page.locator("#period")).to_have_text("Oct 25 01:55 GMT+1 – 01:00 GMT")
    for _ in range(5):
        page.locator("#earlier").click()
    expect(page.locator("#period")).to_have_text("Oct 25 01:30 – 01:35 GMT+1")
    expect(page.locator("#news")).to_have_text("Showing window Oct 25 01:30 – 01:35 GMT+1.", use_inner_text=False)


def test_two_days_in_one_chart_have_their_dates(site: Site, open_page: OpenPage, keep: Keep) -> None:
    add_from(site, "2026-09-20T00:00:00Z", windows=44, seconds=3600)
    site.ready()
    page = open_page()
    expect(page.locator("#total_events")).to_have_text("3,000")
    page.locator("input[name=range][value='168']").check(force=True)
    labels = page.evaluate(_AXIS_LABELS)
    keep(page, "two-days")

    assert len(set(labels)) == len(labels) > 2


def test_a_window_of_a_day_ends_on_the_next(site: Site, open_page: OpenPage) -> None:
    add_from(site, "2026-09-20T00:00:00Z", windows=2, seconds=86400)
    site.ready()
    expect(open_page().locator("#period")).to_have_text("Sep 21 09:00 – Sep 22 09:00")


def test_the_csv_of_the_page_begins_with_a_byte_order_mark(site: Site, open_page: OpenPage) -> None:
    site.add(0, top_pages={"/상품/노트북": 3})
    site.ready()
    page = open_page(locale="ko-KR")
    expect(page.locator("#total_events")).to_have_text("3,000")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()

    assert downloading.value.suggested_filename == "clickstream-windows.csv"
    content = downloading.value.path().read_bytes()
    assert content == codecs.BOM_UTF8 + site.ask("/api/windows.csv")[2]
    assert "/상품/노트북" in content.decode("utf-8-sig")


def test_figures_ranges_and_tables_are_reached_with_the_keyboard(site: Site, open_page: OpenPage) -> None:
    site.fill(300)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("input[value=total_events]").focus()
    page.keyboard.press("ArrowRight")
    assert "Unique users" in (page.locator("#history-chart").get_attribute("aria-label") or "")
    page.locator("input[value='1']").focus()
    page.keyboard.press("ArrowRight")
    assert "in 300 windows" in (page.locator("#history-chart").get_attribute("aria-label") or "")
    page.locator("#history-details summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#history-table tbody tr")).to_have_count(120)
    expect(page.locator("#history-note")).to_have_text(
        "The newest 120 of 300 windows in this range; the CSV holds all."
    )


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_receipt_of_the_window_is_shown_when_it_is_opened(
    site: Site, open_page: OpenPage, keep: Keep, locale: str
) -> None:
    english = locale == "en-US"
    site.add(-1)
    site.add(
        0,
        encode_receipt(
            {
                0: PartitionReceipt(1_180, 12_890, 11_702, {"late": 1, "not_json": 2}),
                10: PartitionReceipt(977, 2_291, 1_298, {}),
                2: PartitionReceipt(7, 7, 1, None),
            }
        ),
    )
    site.ready()
    page = open_page(360 if english else 1280, locale=locale)
    expect(page.locator("#total_events")).to_have_text("3,000")
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    page.focus("#receipt summary")
    page.keyboard.press("Enter")
    rows = page.locator("#receipt-table tbody tr")
    expect(rows).to_have_text(
        [
            "0118012890" + "11,702" + "1 late, 2 not_json",
            "2771" + ("not known" if english else "알 수 없음"),
            "1097722911,298" + ("none" if english else "없음"),
        ]
    )
    assert len([url for url in requests if "api/receipts" in url]) == 1
    assert page.evaluate(_FITS)
    keep(page, f"receipt-{locale}")
    page.click("#earlier")
    absent = "This result has no receipt" if english else "이 결과에는 근거 레코드가 없습니다"
    expect(page.locator("#receipt-note")).to_contain_text(absent)
    expect(page.locator("#receipt-rows")).to_be_hidden()
    page.click("#latest")
    expect(rows).to_have_count(3)
    expect(page.locator("#receipt-rows")).to_be_visible()
    site.add(0, encode_receipt({4: PartitionReceipt(1, 2, 2, {})}), revision=1)
    expect(rows).to_have_text(["4122" + ("none" if english else "없음")])


def test_names_from_the_internet_do_nothing(site: Site, open_page: OpenPage) -> None:
    nasty = {"<img src=x onerror=alert(1)>": 9, "/\u202egnp.exe": 8, "/" + "long/" * 400: 7}
    site.add(0, top_pages=nasty, event_types={"{a|b}": 5, "__proto__": 4})
    site.ready()
    page = open_page(360)
    expect(page.locator("#state-text")).to_have_text("Live")
    table = page.locator("#top_pages-table")
    expect(table).to_contain_text("<img src=x onerror=alert(1)>", use_inner_text=False)
    expect(table).to_contain_text("/\\u{202e}gnp.exe", use_inner_text=False)
    expect(page.locator("#event_types-table")).to_contain_text("__proto__", use_inner_text=False)
    assert page.locator("main img").count() == 0
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate(_FITS)


def test_a_screen_reader_gets_the_newest_window_and_not_too_often(site: Site, open_page: OpenPage) -> None:
    site.fill(1)
    site.ready()
    page = open_page()
    page.clock.install()
    page.reload()
    expect(page.locator("#state-text")).to_have_text("Live")
    for number in (1, 2, 3):
        site.add(number, total_events=number)
        expect(page.locator("#total_events")).to_have_text(str(number))
    expect(page.locator("#news")).to_contain_text(": 1 events")
    page.clock.fast_forward(16_000)
    expect(page.locator("#news")).to_contain_text(": 3 events")


@pytest.mark.parametrize("width", [320, 360, 640, 800, 1280])
def test_large_numbers_stay_on_one_line(site: Site, open_page: OpenPage, keep: Keep, width: int) -> None:
    site.fill(2)
    site.add(1, total_events=100_000_000, unique_users=98_765_432, unique_sessions=999_999, avg_duration_ms=123_456)
    site.ready()
    page = open_page(width)
    expect(page.locator("#total_events")).to_have_text("100,000,000")
    keep(page, f"large-numbers-{width}")
    assert max(page.evaluate(_LINES)) < 1.5
    assert page.evaluate("[...document.querySelectorAll('.totals div')].every((e) => e.scrollWidth <= e.clientWidth)")


def test_rows_beyond_a_charts_maximum_are_summed_up(site: Site, open_page: OpenPage, keep: Keep) -> None:
    types = {f"type-{number:03}": 1000 - number for number in range(200)}
    site.add(0, event_types=types, total_events=sum(types.values()))
    site.ready()
    page = open_page()
    expect(page.locator("#event_types-table tbody tr")).to_have_count(200)
    label = page.locator("#event_types-chart").get_attribute("aria-label") or ""
    assert "type-010 990 (0.5%), 189 more 169," in label
    assert label.count("type-") == 11
    keep(page, "many-types")


def test_long_names_are_cut_where_they_are_read_aloud_or_float(site: Site, open_page: OpenPage, keep: Keep) -> None:
    site.add(0, top_pages={"/" + "long/" * 400: 7, "/a{b|c}": 2}, top_referrers={"x.com/" + "y" * 300: 1})
    site.ready()
    page = open_page(360)
    expect(page.locator("#state-text")).to_have_text("Live")
    label = page.locator("#top_pages-chart").get_attribute("aria-label") or ""
    assert label.startswith("Bar chart: /long/")
    assert "… 7 (0.2%), /a{b|c} 2 (0.1%)" in label
    assert len(label) < 200
    for chart in ("top_pages", "top_referrers"):
        page.locator(f"#{chart}-chart").hover(position={"x": 20, "y": 30})
        keep(page, f"tooltip-{chart}")


def test_a_single_window_has_an_axis_of_its_own_length(site: Site, open_page: OpenPage, keep: Keep) -> None:
    site.fill(1)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    keep(page, "one-window")
    assert page.evaluate(_AXIS_LENGTH) == 60_000
    site.add(1)
    expect(page.locator("#period")).to_contain_text("23:13:30 – 23:14:00")
    assert page.evaluate(_AXIS_LENGTH) == 30_000


def test_a_window_without_pages_has_a_note(site: Site, open_page: OpenPage) -> None:
    site.add(0, top_pages={})
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    expect(page.locator("#top_pages-chart")).to_have_attribute("aria-label", "Nothing in this window.")
    expect(page.locator("canvas")).to_have_count(5)
    site.add(1)
    expect(page.locator("canvas")).to_have_count(6)
    site.add(2, top_pages={})
    expect(page.locator("canvas")).to_have_count(5)


@pytest.mark.parametrize(("locale", "korea"), [("en-US", "South Korea"), ("ko-KR", "대한민국")])
def test_countries_are_shown_where_the_results_have_them(
    site: Site, open_page: OpenPage, keep: Keep, locale: str, korea: str
) -> None:
    site.add(0)
    site.ready()
    page = open_page(locale=locale)
    expect(page.locator("canvas")).to_have_count(6)
    expect(page.locator("#countries-title")).to_be_hidden()
    site.add(1, countries={"KR": 2000, "DE": 900, "<b>": 100})
    expect(page.locator("#countries-title")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(7)
    rows = page.locator("#countries-table tbody tr")
    expect(rows.nth(0)).to_contain_text(korea, use_inner_text=False)
    expect(rows.nth(2)).to_contain_text("<b>", use_inner_text=False)
    keep(page, f"countries-{locale}")
    site.add(2)
    expect(page.locator("#countries-title")).to_be_hidden()


def test_the_other_language_is_a_link_away(site: Site, open_page: OpenPage) -> None:
    site.ready()
    page = open_page()
    page.get_by_role("link", name="한국어").click()
    expect(page.locator("h1")).to_have_text("클릭스트림 메트릭")
    assert page.locator("html").get_attribute("lang") == "ko"
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_have_text("Clickstream metrics")


def test_everything_a_screen_reader_needs_is_there(site: Site, open_page: OpenPage) -> None:
    site.fill(3)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    assert page.locator("h1").count() == 1
    for title in ("Window by window", "Funnel", "Event types", "Devices", "Top pages", "Top referrers"):
        region = page.get_by_role("region", name=title, exact=True).first
        expect(region.get_by_role("heading", name=title)).to_be_visible()
        expect(region.get_by_role("img")).to_have_attribute("aria-label", _SOMETHING)
        region.get_by_text(f"As a table: {title}", exact=True).click()
        expect(region.get_by_role("table", name=title)).to_be_visible()


def test_a_day_of_windows_leaves_the_browsers_memory_flat(site: Site, open_page: OpenPage) -> None:
    site.fill(2880)
    site.ready()
    page = open_page()
    expect(page.locator("#state-text")).to_have_text("Live")
    session = page.context.new_cdp_session(page)

    session.send("Performance.enable")

    def measured() -> tuple[float, int]:
        """The heap in MB, and the number of nodes, those of no page included."""
        session.send("HeapProfiler.collectGarbage")
        counts = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return counts["JSHeapUsedSize"] / 1e6, int(counts["Nodes"])

    def arrive(first: int, last: int) -> None:
        for number in range(first, last + 1):
            site.add(number, total_events=number)
            if number % 8 == 0:  # what comes together is drawn once, so not all at once
                expect(page.locator("#total_events")).to_have_text(f"{number:,}")

    arrive(1, 480)
    before, nodes_before = measured()
    arrive(481, 2880)
    after, nodes_after = measured()
    print(f"browser heap: {before:.1f} MB after 480 new windows, {after:.1f} MB after 2,880; nodes {nodes_after}")
    assert after < before + 2, "a window's totals take less than 1 kB"
    assert nodes_after < nodes_before + 50


_COUNT_CHANGES = """
globalThis.changes = 0;
new MutationObserver(() => { changes += 1; }).observe(document.getElementById("total_events"), { childList: true });
"""
_AXIS_LENGTH = """
(([from, to]) => to - from)(echarts.getInstanceByDom(document.getElementById("history-chart"))
  .getModel().getComponent("xAxis").axis.scale.getExtent())
"""
_AXIS_LABELS = """
echarts.getInstanceByDom(document.getElementById("history-chart"))
  .getModel().getComponent("xAxis").axis.getViewLabels().map((label) => label.formattedLabel)
"""
_LINES = """
[...document.querySelectorAll(".totals b")].map((b) => b.offsetHeight / parseFloat(getComputedStyle(b).lineHeight))
"""
_FITS = "document.documentElement.scrollWidth <= innerWidth"
_SOMETHING = re.compile(".+")
_DRAWN = """
[...document.querySelectorAll("canvas")].map((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0))
"""
