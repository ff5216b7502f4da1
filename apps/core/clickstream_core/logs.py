"""What the apps say: announcements for people on standard output, logs for operators on standard error.

An announcement is a line (or block) that the user came to read: "✓ Connected to Kafka", a finished window, the
dashboard. A log record is what the apps and the libraries noticed on the way. Both come as text or, for log
collectors, as one JSON object a line with timestamp, level, app, logger, message and the given fields.

LOG_LEVEL is the level of the apps' own logs. The Kafka libraries report each connection at INFO, and while Kafka is
away they report each of their many attempts; libraries are heard from WARNING on, each message of theirs once in 30 s,
in one line that ends with the error where it has one: `…: ErrorType: message`. With LOG_LEVEL=DEBUG they are heard in
full, with their tracebacks.

An output may fail. A disk that is full gets room again, and what it did not take follows then, as far as Python has
kept it. A pipe whose reader has gone (`| head -1`) does not come back: as for any program that is a request to stop.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from typing import Any, TextIO

from clickstream_core.log_throttle import LogThrottle
from clickstream_core.timestamps import format_milliseconds

_OWN_LOGGERS = "clickstream"
_ENOUGH_TO_KNOW_A_MESSAGE = 30
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass
class _Announcements:
    json: bool = False
    app: str = ""
    lost: bool = False


_announcements = _Announcements()
_log = logging.getLogger(__name__)


def configure_logs(level: str, format: str, app: str) -> None:
    """Set up logging and announcements for this process.

    `level` is DEBUG, INFO, WARNING or ERROR; `format` is text or json; `app` is the name that JSON lines carry. Python
    warnings become log records. Calling it again replaces the earlier set-up.
    """
    _announcements.json = format == "json"
    _announcements.app = app
    handler = logging.StreamHandler(sys.stderr)
    in_full = level == "DEBUG"
    handler.setFormatter(_JsonFormatter(app, in_full) if format == "json" else _TextFormatter(in_full))
    if not in_full:
        handler.addFilter(_Quietened())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def announce(text: str, **fields: Any) -> None:
    """Tell the user `text` on standard output, at once; `fields` are added in JSON format only.

    A standard output that cannot show a character (an emoji in a terminal that is not UTF-8) gets a `?` for it. One
    that takes nothing is logged; one that nobody reads any more makes the process get SIGTERM.
    """
    if _announcements.json:
        text = _json_line(_head("INFO", _announcements.app, "announcements") | {"message": text} | fields)
    try:
        _print(text, sys.stdout)
    except BrokenPipeError:
        os.kill(os.getpid(), signal.SIGTERM)
    except OSError as error:
        if not _announcements.lost:
            _announcements.lost = True
            _log.error("Standard output takes nothing (%s); going on without what was to be said there", error.strerror)
    else:
        _announcements.lost = False


def complain(text: str, app: str, logger: str, *, as_json: bool) -> None:
    """Tell the operator on standard error why `app` ends, whether or not logs were set up."""
    line = _json_line(_head("ERROR", app, logger) | {"message": text}) if as_json else f"{app}: {text}"
    with suppress(OSError):
        _print(line, sys.stderr)


def give_up_output() -> None:
    """Drop what standard output did not take, before Python tries again at its end, and complains."""
    if sys.stdout is None:  # it was closed when Python started
        return
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def thread_errors_logged() -> Iterator[None]:
    """While the block runs, an error that ends a thread becomes a log record."""

    def log(ended: threading.ExceptHookArgs) -> None:
        name = "a thread" if ended.thread is None else f"thread {ended.thread.name}"
        _log.error("%s ended with an error", name, exc_info=ended.exc_value)

    before, threading.excepthook = threading.excepthook, log
    try:
        yield
    finally:
        threading.excepthook = before


class _Quietened(logging.Filter):
    """Lets the apps' own records pass, and those of libraries from WARNING on and not again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LogThrottle()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_OWN_LOGGERS):
            return True
        if record.levelno < logging.WARNING:
            return False
        message = (record.name, str(record.msg)[:_ENOUGH_TO_KNOW_A_MESSAGE])
        return self._throttle.allow(message, record.created)


def _in_one_line(record: logging.LogRecord) -> logging.LogRecord:
    """A library's record without line breaks, and with its error's name and text instead of a traceback."""
    if record.name.startswith(_OWN_LOGGERS):
        return record
    said = [record.getMessage()]
    if record.exc_info and record.exc_info[1] is not None:
        name, text = type(record.exc_info[1]).__name__, str(record.exc_info[1])
        said.append(text if text.startswith(f"{name}: ") else f"{name}: {text}" if text else name)
    shown = copy(record)
    shown.msg, shown.args = " ".join(": ".join(said).split()), None
    shown.exc_info = shown.exc_text = shown.stack_info = None
    return shown


class _TextFormatter(logging.Formatter):
    def __init__(self, in_full: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record if self._in_full else _in_one_line(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return format_milliseconds(int(record.created * 1000))


class _JsonFormatter(logging.Formatter):
    def __init__(self, app: str, in_full: bool) -> None:
        super().__init__()
        self._app = app
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        record = record if self._in_full else _in_one_line(record)
        line = _head(record.levelname, self._app, record.name, int(record.created * 1000))
        line |= {"message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json_line(line)


def _head(level: str, app: str, logger: str, milliseconds: int | None = None) -> dict[str, Any]:
    """What a JSON line begins with; without a time it is that of now."""
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    return {"timestamp": format_milliseconds(moment), "level": level, "app": app, "logger": logger}


def _json_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, default=str)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
