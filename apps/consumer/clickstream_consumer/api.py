"""The page's data over HTTP, for the page itself and for everybody else; `web/openapi.json` describes it.

Answers are made part by part from the kept bytes, so even that of all windows costs no memory worth mentioning.
"""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from clickstream_consumer.history import MAX_WINDOWS, Kept, Position, WindowHistory, parse_position
from clickstream_consumer.stream import EventStream
from clickstream_consumer.tabular import as_csv
from clickstream_core.pages import Request, Response
from clickstream_core.settings import choice, integer
from clickstream_core.timestamps import parse_timestamp, with_plus

T = TypeVar("T")
D = TypeVar("D")
_JSON = "application/json"
_DEFAULT_LIMIT = 100
_PARTS_AT_ONCE = 200
_NOT_STORED = {"Cache-Control": "no-store"}


class BadParameter(ValueError):
    """A query that cannot be answered; the message says what is allowed."""

    def __init__(self, parameter: str, value: str, message: str) -> None:
        super().__init__(message)
        self.answer = {"error": f"{parameter}={value}: {message}", "parameter": parameter, "value": value}


class _Totals(msgspec.Struct, frozen=True):
    """A window without its maps; `fields=totals`."""

    window_start: str
    window_end: str
    total_events: int
    unique_users: int
    unique_sessions: int
    avg_duration_ms: int
    revision: int
    approximate: bool


_decode_totals = msgspec.json.Decoder(_Totals).decode
_encode = msgspec.json.Encoder().encode


class Api:
    """Answers what is below /api/."""

    def __init__(self, history: WindowHistory, stream: EventStream) -> None:
        self._history = history
        self._stream = stream
        self._answers: dict[str, Callable[[Request], Response]] = {
            "/api/windows": self._windows,
            "/api/windows.csv": self._csv,
            "/api/stream": self._events,
        }

    def answer(self, request: Request) -> Response | None:
        """Return the answer, None for a path that is not the API's; a wrong parameter is answered with 400."""
        answer = self._answers.get(request.path)
        if answer is None:
            return None
        try:
            return answer(request)
        except BadParameter as error:
            return Response(_encode(error.answer), _JSON, HTTPStatus.BAD_REQUEST, _NOT_STORED)

    def _windows(self, request: Request) -> Response:
        query = _Query(request, "from", "to", "limit", "fields")
        fields = query.value("fields", choice("all", "totals"), "all")
        position = self._history.position()  # first: what comes in between is then sent once more, not left out
        windows = self._selected(query, _DEFAULT_LIMIT)
        return Response(_as_json(windows, position, totals=fields == "totals"), _JSON, headers=_NOT_STORED)

    def _csv(self, request: Request) -> Response:
        query = _Query(request, "from", "to", "limit", "bom")
        marked = query.value("bom", choice("1"), None) is not None
        windows = self._selected(query, MAX_WINDOWS)
        name = {"Content-Disposition": 'attachment; filename="clickstream-windows.csv"'}
        return Response(
            as_csv(windows, marked=marked), "text/csv; charset=utf-8; header=present", headers=_NOT_STORED | name
        )

    def _events(self, request: Request) -> Response:
        query = _Query(request, "after")
        after: Position | None = query.value("after", parse_position, None)
        if last := request.header("Last-Event-ID"):
            try:
                after = parse_position(last)
            except ValueError:  # not an id of ours: load everything anew
                after = {}
        if self._stream.full:
            busy = {"error": "too many open pages on this consumer; try again later, or add a replica"}
            return Response(_encode(busy), _JSON, HTTPStatus.SERVICE_UNAVAILABLE, _NOT_STORED | {"Retry-After": "10"})
        return Response(
            content_type="text/event-stream; charset=utf-8",
            headers=_NOT_STORED | {"X-Accel-Buffering": "no"},
            keep=lambda connection: self._stream.take(connection, after),
        )

    def _selected(self, query: "_Query", limit: int) -> list[Kept]:
        start = query.value("from", _time, None)
        before = query.value("to", _time, None)
        count = query.value("limit", integer(minimum=1, maximum=MAX_WINDOWS), limit)
        return self._history.select(start, before, count)


class _Query:
    """The query's parameters, each at most once and none that is not `allowed`."""

    def __init__(self, request: Request, *allowed: str) -> None:
        self._values: dict[str, str] = {}
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, errors="replace", max_num_fields=20)
        except ValueError as error:
            raise BadParameter("query", request.query[:100], "expected at most 20 parameters") from error
        for name, value in pairs:
            if name not in allowed:
                raise BadParameter(name, value, f"not a parameter; expected {', '.join(allowed)}")
            if name in self._values:
                raise BadParameter(name, value, "given twice")
            self._values[name] = value

    def value(self, name: str, parse: Callable[[str], T], default: D) -> T | D:
        """Return the parsed parameter, `default` where it is not given. Raises BadParameter."""
        given = self._values.get(name)
        if given is None:
            return default
        try:
            return parse(given)
        except ValueError as error:
            raise BadParameter(name, given, str(error)) from error


def _time(text: str) -> int:
    try:
        return parse_timestamp(with_plus(text))
    except ValueError as error:
        raise ValueError(f"{error}; expected a time such as 2024-10-26T10:30:00Z") from error


def _as_json(windows: Iterable[Kept], position: str, *, totals: bool) -> Iterator[bytes]:
    yield b'{"position":%s,"windows":[' % _encode(position)
    part: list[bytes] = []
    separator = b""
    for kept in windows:
        part.append(_encode(_decode_totals(kept.json)) if totals else kept.json)
        if len(part) == _PARTS_AT_ONCE:
            yield separator + b",\n".join(part)
            separator = b",\n"
            part.clear()
    if part:
        yield separator + b",\n".join(part)
    yield b"]}\n"
