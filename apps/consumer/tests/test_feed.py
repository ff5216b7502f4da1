import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from clickstream_consumer.feed import Feed
from clickstream_consumer.history import WindowHistory
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Condition, Status
from kit.page import Site
from kit.poll import eventually

MakeResult = Callable[..., WindowResult]


@dataclass
class Reader:
    """Brings what the test put into `script`, one step a poll, and then nothing."""

    script: list[list[WindowResult] | Exception | Condition] = field(default_factory=list)
    status: Status = field(default_factory=lambda: Status(Condition.CONNECTING))
    closed: bool = False

    def poll(self) -> list[WindowResult]:
        step = self.script.pop(0) if self.script else []
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Condition):
            self.status = Status(step)
            return []
        return step

    def close(self) -> None:
        self.closed = True


@dataclass
class RecordedUpdates:
    """Stands in for the updates and records them."""

    history: WindowHistory
    conditions: list[str] = field(default_factory=list)
    complete: bool = False

    def status(self, condition: str) -> None:
        if self.conditions[-1:] != [condition]:
            self.conditions.append(condition)

    def history_is_complete(self) -> None:
        self.complete = True


def fed(
    site: Site,
    reader: Reader,
    stopped: Callable[[], bool] = lambda: False,
    caught_up: Callable[[WindowResult], None] = lambda newest: None,
) -> Feed:
    pause = threading.Event()
    return Feed(reader, site.updates, stopped, lambda seconds: pause.wait(0.01), caught_up)


def test_results_reach_the_history_and_the_reader_is_closed(site: Site, make_result: MakeResult) -> None:
    reader = Reader([[make_result(30), make_result(35)], Condition.READY])
    with fed(site, reader):
        eventually(lambda: len(site.history) == 2, 5)
    assert reader.closed


def test_the_condition_is_sent_and_the_history_is_complete_once_ready(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = RecordedUpdates(site.history)
    monkeypatch.setattr(site, "updates", updates)
    reader = Reader([Condition.JOINING, Condition.AWAY])
    with fed(site, reader):
        eventually(lambda: updates.conditions[-1:] == ["away"], 5)
        assert not updates.complete
        reader.script += [Condition.NO_TOPIC, Condition.READY]
        eventually(lambda: updates.complete, 5)
    assert updates.conditions in (["connecting", *_LATER], _LATER)


_LATER = ["joining", "away", "no_topic", "ready"]


def test_the_newest_window_is_passed_on_once_after_the_topic_was_read(site: Site, make_result: MakeResult) -> None:
    passed_on: list[WindowResult] = []
    newest = make_result(40, revision=1)
    # As from several partitions: the newest window is neither the first nor the last to come.
    reader = Reader([Condition.JOINING, [make_result(35), newest], [make_result(40), make_result(30)]])
    with fed(site, reader, caught_up=passed_on.append):
        eventually(lambda: len(site.history) == 3, 5)
        assert passed_on == []
        reader.script += [Condition.READY, Condition.AWAY, Condition.READY, [make_result(45)], Condition.READY]
        eventually(lambda: len(site.history) == 4 and not reader.script, 5)
    assert passed_on == [newest]


def test_an_empty_topic_passes_nothing_on(site: Site, make_result: MakeResult) -> None:
    passed_on: list[WindowResult] = []
    reader = Reader([Condition.READY, [make_result(30)], Condition.READY])
    with fed(site, reader, caught_up=passed_on.append):
        eventually(lambda: len(site.history) == 1 and not reader.script, 5)
    assert passed_on == []


def test_a_passing_fault_does_not_end_the_page(
    site: Site, make_result: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader([RuntimeError("on purpose"), [make_result(30)]])
    with fed(site, reader):
        eventually(lambda: len(site.history) == 1, 5)
    assert "Reading for the page failed; trying again" in caplog.text


def test_a_stop_request_ends_the_reading(site: Site) -> None:
    reader = Reader()
    stop = threading.Event()
    with fed(site, reader, stop.is_set):
        stop.set()
        eventually(lambda: reader.closed, 5)
