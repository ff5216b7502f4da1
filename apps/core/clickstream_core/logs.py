"""The apps' output: announcements for users on standard output, logs for operators on standard error.

An announcement is a line (or block) that the user wants to read: "✓ Connected to Kafka", a finished window, the
dashboard. Log records are about what the apps and the libraries met on the way. Both are text or, for log collectors,
one JSON object a line with timestamp, level, app, logger, message and the given fields.

LOG_LEVEL is the level of the apps' own logs. The Kafka libraries log each connection at INFO, and each of their many
attempts while Kafka is away. So records of libraries are logged from WARNING on, each message once in 30 s, in one line
that ends with the error. With LOG_LEVEL=DEBUG all of them are logged, with their tracebacks.

Output may fail. When a full disk has room again, Python writes what it has kept in its buffer. A pipe whose reader has
gone (`| head -1`) does not come back: as for any program, that is a request to stop.
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
_MESSAGE_KEY_LENGTH = 30
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

    `level` is DEBUG, INFO, WARNING or ERROR; `format` is text or json; `app` is the app's name in JSON lines. Python
    warnings become log records. Calling it again replaces the previous configuration.
    """
    _announcements.json = format == "json"
    _announcements.app = app
    handler = logging.StreamHandler(sys.stderr)
    in_full = level == "DEBUG"
    handler.setFormatter(_JsonFormatter(app, in_full) if format == "json" else _TextFormatter(in_full))
    if not in_full:
        handler.addFilter(RepeatFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def announce(text: str, **fields: Any) -> None:
    """Print `text` on standard output, unbuffered; `fields` are added in JSON format only.

    A character that standard output can't encode (an emoji in a terminal that is not UTF-8) becomes a `?`. A failing
    output is logged. If its reader has gone, the process gets SIGTERM.
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
            _log.error("Cannot write to standard output (%s); continuing without it", error.strerror)
    else:
        _announcements.lost = False


def print_error(text: str, app: str, logger: str, *, as_json: bool) -> None:
    """Print on standard error why `app` exits, whether or not logs are configured."""
    line = _json_line(_head("ERROR", app, logger) | {"message": text}) if as_json else f"{app}: {text}"
    with suppress(OSError):
        _print(line, sys.stderr)


def discard_stdout() -> None:
    """Drop what could not be written to standard output, before Python tries again at exit and prints an error."""
    if sys.stdout is None:  # it was already closed when Python started
        return
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


@contextmanager
def thread_errors_logged() -> Iterator[None]:
    def log(ended: threading.ExceptHookArgs) -> None:
        name = "a thread" if ended.thread is None else f"thread {ended.thread.name}"
        _log.error("%s ended with an error", name, exc_info=ended.exc_value)

    before, threading.excepthook = threading.excepthook, log
    try:
        yield
    finally:
        threading.excepthook = before


class RepeatFilter(logging.Filter):
    """Passes the apps' own records, and those of libraries from WARNING on, each message once in 30 s."""

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LogThrottle()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_OWN_LOGGERS):
            return True
        if record.levelno < logging.WARNING:
            return False
        message = (record.name, str(record.msg)[:_MESSAGE_KEY_LENGTH])
        return self._throttle.allow(message, record.created)


def _in_one_line(record: logging.LogRecord) -> logging.LogRecord:
    """Return a library's record without line breaks, and with the error's name and text instead of a traceback."""
    if record.name.startswith(_OWN_LOGGERS):
        return record
    parts = [record.getMessage()]
    if record.exc_info and record.exc_info[1] is not None:
        name, text = type(record.exc_info[1]).__name__, str(record.exc_info[1])
        parts.append(text if text.startswith(f"{name}: ") else f"{name}: {text}" if text else name)
    shown = copy(record)
    shown.msg, shown.args = " ".join(": ".join(parts).split()), None
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
    """Return the first fields of a JSON line; the time is now unless it is given."""
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
