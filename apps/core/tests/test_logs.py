"""Announcements and logs, as text and as JSON."""

import io
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import pytest

from clickstream_core.logs import announce, configure_logs, discard_stdout
from clickstream_core.shutdown import Shutdown

_own = logging.getLogger("clickstream_test")
_library = logging.getLogger("a_library.client")


pytestmark = pytest.mark.usefixtures("logging_as_before")


def test_an_announcement_is_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "text", "producer")
    announce("🚀 Generating 10 events/second", rate=10)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("🚀 Generating 10 events/second\n", "")


def test_in_json_an_announcement_is_one_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", "producer")
    announce("line 1\nline 2", rate=10, why=ValueError("odd"))
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "INFO",
        "app": "producer",
        "logger": "announcements",
        "message": "line 1\nline 2",
        "rate": 10,
        "why": "odd",
    }


@pytest.mark.parametrize("encoding", ["ascii", "euc-kr", "latin-1"])
def test_a_terminal_that_cannot_show_an_emoji_gets_a_question_mark(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    announce("🚀 Generating")
    assert raw.getvalue() == b"? Generating\n"


def test_text_logs_carry_time_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "text", "streams")
    _own.info("restored partition %d", 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    moment, rest = captured.err.split(" ", 1)
    assert moment.endswith("Z")
    assert rest == "INFO clickstream_test: restored partition 3\n"


def test_libraries_are_heard_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "text", "streams")
    _library.info("connecting")
    _library.warning("lost")
    assert capsys.readouterr().err.endswith("WARNING a_library.client: lost\n")
    _library.info("connecting")
    assert capsys.readouterr().err == ""


def test_at_level_debug_libraries_are_heard_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("DEBUG", "text", "streams")
    _library.debug("sending")
    assert "a_library.client: sending" in capsys.readouterr().err


def test_records_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ERROR", "text", "streams")
    _own.warning("slow")
    assert capsys.readouterr().err == ""


def test_json_logs_carry_extra_fields_and_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", "streams")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        _own.exception("failed\n%s", "é", extra={"partition": 3})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert {name: record[name] for name in ("level", "app", "logger", "message", "partition")} == {
        "level": "ERROR",
        "app": "streams",
        "logger": "clickstream_test",
        "message": "failed\né",
        "partition": 3,
    }
    assert "RuntimeError: broken" in record["exception"]
    assert not {"msg", "args", "exc_info", "taskName", "lineno"} & record.keys()


class RefusedError(Exception):
    """What a library meets."""


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (RefusedError("no\nroom"), "RefusedError: no room"),
        (RefusedError("RefusedError: full"), "RefusedError: full"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_a_library_is_one_line(
    format: str, error: Exception, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", format, "streams")
    try:
        raise error
    except Exception:
        _library.exception("Unexpected\n  error in %s", "sender", extra={"partition": 3})
    (line,) = capsys.readouterr().err.splitlines()
    if format == "json":
        record = json.loads(line)
        assert (record["message"], record["partition"]) == (f"Unexpected error in sender: {shown}", 3)
        assert "exception" not in record
    else:
        assert line.endswith(f"ERROR a_library.client: Unexpected error in sender: {shown}")


@pytest.mark.parametrize(("level", "logger"), [("DEBUG", _library), ("INFO", _own)])
def test_tracebacks_are_there_for_our_own_errors_and_at_level_debug(
    level: str, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(level, "text", "streams")
    try:
        raise RefusedError("no room")
    except RefusedError:
        logger.exception("Unexpected error")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("Unexpected error")
    assert "Traceback (most recent call last):" in lines
    assert lines[-1].endswith("RefusedError: no room")


def test_python_warnings_become_records(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", "streams")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old habit", stacklevel=1)
    assert "old habit" in json.loads(capsys.readouterr().err)["message"]


def test_a_library_that_repeats_itself_is_heard_once_in_30_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "text", "producer")
    for created in (1000.0, 1000.1, 1029.9, 1030.0, 1030.1):
        attempt = logging.LogRecord(
            "a_library.client", logging.ERROR, "", 0, "no connection to %s", (f"node {created}",), None
        )
        attempt.created = created
        logging.getLogger().handle(attempt)
    assert [line.split("no connection to ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "node 1000.0",
        "node 1030.0",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_logged_once_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", "text", "producer")
    with Path("/dev/full").open("w") as full, Shutdown() as shutdown:
        monkeypatch.setattr(sys, "stdout", full)
        for _ in range(3):
            announce("🚀 Generating")
        assert not shutdown.requested.is_set()
        discard_stdout()
    (line,) = capsys.readouterr().err.splitlines()
    assert "Cannot write to standard output (No space left on device)" in line


def test_what_a_full_disk_did_not_take_is_written_when_there_is_room_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure_logs("INFO", "json", "producer")
    output = tmp_path / "output"
    with FullAtFirst(output) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        for number in range(3):
            announce("sent", number=number)
        monkeypatch.undo()
    assert [json.loads(line)["number"] for line in output.read_text().splitlines()] == [0, 1, 2]


class FullAtFirst(io.TextIOWrapper):
    """A file on a disk that has no room for the first write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("wb"), encoding="utf-8")
        self.full = True

    def flush(self) -> None:
        if self.full:
            self.full = False
            raise OSError(28, "No space left on device")
        super().flush()


def test_an_output_that_is_no_longer_read_is_a_request_to_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", "text", "consumer")
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe, Shutdown() as shutdown:
        monkeypatch.setattr(sys, "stdout", pipe)
        announce("a block")
        assert not shutdown.requested.is_set()
        os.close(reader)
        announce("a block")
        assert shutdown.requested.is_set()
        discard_stdout()
    assert capsys.readouterr().err == ""
