import io

import pytest

from clickstream_consumer.labels import LABELS
from clickstream_consumer.live import LiveView
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.view import PlainView, view_for
from clickstream_core.settings import read_settings


class Output(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "term", "environ", "expected"),
    [
        (True, "xterm-256color", {}, LiveView),
        (True, "dumb", {}, PlainView),
        (True, "xterm", {"DASHBOARD_PLAIN": "true"}, PlainView),
        (True, "xterm", {"LOG_FORMAT": "json"}, PlainView),
        (False, "xterm", {}, PlainView),
    ],
)
def test_only_a_terminal_that_can_move_its_cursor_is_redrawn(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str, environ: dict[str, str], expected: type
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")
    settings = read_settings(ConsumerSettings, prog="test", description="", argv=[], environ=environ)
    with view_for(settings, LABELS["en"], Output(terminal=terminal)) as view:
        assert isinstance(view, expected)
