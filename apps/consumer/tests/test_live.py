import io
import logging
import re
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from clickstream_consumer.dashboard import block
from clickstream_consumer.labels import LABELS
from clickstream_consumer.live import LiveView, terminal
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Condition, Status

MakeResult = Callable[..., WindowResult]
READY = Status(Condition.READY)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def high() -> Console:
    return Console(file=Terminal(), force_terminal=True, width=100, height=50, color_system=None, markup=False)


@pytest.fixture
def low() -> Console:
    return Console(file=Terminal(), force_terminal=True, width=80, height=24, color_system=None, markup=False)


@pytest.fixture
def logged_to(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that the root logger writes to, and to nothing else: another test may have left a handler."""
    stream = Terminal()
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(stream)])
    return stream


def written(console: Console) -> str:
    assert isinstance(console.file, Terminal)
    return console.file.getvalue()


def frames(console: Console) -> list[str]:
    """What was written from one erasing of the redrawn part to the next, without escape sequences."""
    parts = re.split(r"(?:\r|\x1b\[2K|\x1b\[1A)+", written(console))
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part) for part in parts]


def test_the_newest_window_is_on_the_screen_and_stays_there_at_the_end(high: Console, make_result: MakeResult) -> None:
    newest = make_result(30)
    with LiveView(high, LABELS["en"]) as view:
        view.refresh(READY)
        view.show(make_result(25))
        view.show(newest)
        view.refresh(READY)
    assert "Waiting for metrics" in frames(high)[0]
    last = frames(high)[-1]
    assert block(newest.metrics, LABELS["en"]) in last
    assert "⏱" not in last
    assert written(high).endswith("\x1b[?25h")


def test_a_revision_replaces_its_window(high: Console, make_result: MakeResult) -> None:
    with LiveView(high, LABELS["en"]) as view:
        view.show(make_result(30))
        view.refresh(READY)
        view.show(make_result(30, revision=1, total_events=3001))
        view.refresh(READY)
    last = frames(high)[-1]
    assert "(revision 1)" in last
    assert "3,001" in last
    assert "EARLIER" not in last


def test_a_low_terminal_shows_each_result_as_a_whole_block_once(low: Console, make_result: MakeResult) -> None:
    results = [make_result(minute) for minute in (30, 35)]
    with LiveView(low, LABELS["en"]) as view:
        for result in results:
            view.show(result)
            view.refresh(READY)
            view.refresh(READY)
    text = "\n".join(frames(low))
    assert [text.count(block(result.metrics, LABELS["en"])) for result in results] == [1, 1]


def test_no_line_is_wider_than_the_terminal(make_result: MakeResult) -> None:
    narrow = Console(file=Terminal(), force_terminal=True, width=40, height=60, color_system=None)
    with LiveView(narrow, LABELS["en"]) as view:
        view.show(make_result(30, top_pages={"/" + "x" * 300: 5, "/상품/" + "노트북" * 50: 4}))
        view.refresh(READY)
    assert max(len(line) for frame in frames(narrow) for line in frame.split("\n")) <= 40


def test_a_changed_size_begins_on_a_clean_screen(high: Console, make_result: MakeResult) -> None:
    with LiveView(high, LABELS["en"]) as view:
        view.show(make_result(30))
        view.refresh(READY)
        high.width, high.height = 70, 45
        view.refresh(READY)
    assert "\x1b[2J\x1b[H" in written(high)
    assert "=" * 70 in frames(high)[-1].split("\n")


def test_a_name_is_neither_markup_nor_an_emoji_code(make_result: MakeResult) -> None:
    console = terminal(Terminal())
    console.width, console.height = 100, 50
    with LiveView(console, LABELS["en"]) as view:
        view.show(make_result(30, devices={"[red]x[/red] :smile:": 5}))
        view.refresh(READY)
    assert "[red]x[/red] :smile:" in frames(console)[-1]


def test_logs_go_above_the_redrawn_part(
    high: Console, logged_to: Terminal, monkeypatch: pytest.MonkeyPatch, make_result: MakeResult
) -> None:
    monkeypatch.setattr(sys, "stderr", logged_to)
    with LiveView(high, LABELS["en"]) as view:
        view.show(make_result(30))
        view.refresh(READY)
        logging.getLogger("test").warning("Kafka is away")
        view.refresh(READY)
    logging.getLogger("test").warning("afterwards")
    assert any(frame.startswith("Kafka is away\n====") for frame in frames(high))
    assert logged_to.getvalue() == "afterwards\n"


def test_logs_that_go_to_a_file_stay_there(high: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with LiveView(high, LABELS["en"]) as view:
        print("for the file", file=sys.stderr)
        view.refresh(READY)
    assert log.getvalue() == "for the file\n"
    assert "for the file" not in written(high)


def test_a_terminal_without_the_characters_gets_question_marks(make_result: MakeResult) -> None:
    raw = io.BytesIO()
    console = terminal(io.TextIOWrapper(raw, encoding="ascii"))
    console.width, console.height = 100, 50
    with LiveView(console, LABELS["en"]) as view:
        view.show(make_result(30))
        view.refresh(READY)
    assert b"? CLICKSTREAM METRICS" in raw.getvalue()
