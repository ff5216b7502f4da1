"""What the apps say: announcements for people on standard output, logs for operators on standard error.

An announcement is a line (or block) that the user came to read: "✓ Connected to Kafka", a finished window, the
dashboard. A log record is what the apps and the libraries noticed on the way. Both come as text or, for log
collectors, as one JSON object a line with timestamp, level, app, logger, message and the given fields.

LOG_LEVEL is the level of the apps' own logs. The Kafka libraries report each connection at INFO, and while Kafka is
away they report each of their many attempts; they are heard from WARNING on, and each message of theirs once in 30 s,
unless LOG_LEVEL is DEBUG.
"""

import json
import logging
import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

from clickstream_core.timestamps import format_milliseconds

_OWN_LOGGERS = "clickstream"
_REPEATED_AFTER = 30.0
_MOST_REMEMBERED = 1000
_ENOUGH_TO_KNOW_A_MESSAGE = 30
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass
class _Announcements:
    json: bool = False
    app: str = ""


_announcements = _Announcements()


def configure_logs(level: str, format: str, app: str) -> None:
    """Set up logging and announcements for this process.

    `level` is DEBUG, INFO, WARNING or ERROR; `format` is text or json; `app` is the name that JSON lines carry. Python
    warnings become log records. Calling it again replaces the earlier set-up.
    """
    _announcements.json = format == "json"
    _announcements.app = app
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(app) if format == "json" else _TextFormatter())
    if level != "DEBUG":
        handler.addFilter(_Quietened())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def announce(text: str, **fields: Any) -> None:
    """Tell the user `text` on standard output, at once; `fields` are added in JSON format only.

    A standard output that cannot show a character (an emoji in a terminal that is not UTF-8) gets a `?` for it.
    """
    if _announcements.json:
        head = {
            "timestamp": format_milliseconds(time.time_ns() // 1_000_000),
            "level": "INFO",
            "app": _announcements.app,
        }
        text = _json_line(head | {"logger": "announcements", "message": text} | fields)
    _print(text, sys.stdout)


class _Quietened(logging.Filter):
    """Lets the apps' own records pass, and those of libraries from WARNING on and not again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_OWN_LOGGERS):
            return True
        if record.levelno < logging.WARNING:
            return False
        message = (record.name, str(record.msg)[:_ENOUGH_TO_KNOW_A_MESSAGE])
        if record.created - self._passed.get(message, -_REPEATED_AFTER) < _REPEATED_AFTER:
            return False
        if len(self._passed) >= _MOST_REMEMBERED:
            self._passed.clear()
        self._passed[message] = record.created
        return True


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return format_milliseconds(int(record.created * 1000))


class _JsonFormatter(logging.Formatter):
    def __init__(self, app: str) -> None:
        super().__init__()
        self._app = app

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": format_milliseconds(int(record.created * 1000)),
            "level": record.levelname,
            "app": self._app,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json_line(line)


def _json_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, default=str)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
