import io
import os
from pathlib import Path

from clickstream_local.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_progress_is_one_line_that_is_rewritten() -> None:
    out = Terminal()
    screen = Screen(out)
    screen.progress("1 of 2")
    screen.progress("2 of 2")
    screen.line("done")

    assert out.getvalue() == "\r\x1b[K1 of 2 …\r\x1b[K2 of 2 …\r\x1b[Kdone\n"


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    out, now = io.StringIO(), [0.0]
    screen = Screen(out, clock=lambda: now[0])
    for number in range(100):
        now[0] = number / 10
        screen.progress(str(number))
    screen.line("done")

    assert out.getvalue() == "0 …\n50 …\ndone\n"


def test_what_the_terminal_cannot_show_becomes_a_question_mark(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as out:
        Screen(out).line("✓ ready")

    assert (tmp_path / "out").read_text() == "? ready\n"


def test_a_closed_pipe_does_not_hold_up_the_end() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        screen = Screen(out)
        screen.line("nobody reads this")
        screen.line("nor this")

        assert not out.closed
