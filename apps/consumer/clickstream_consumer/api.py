"""The page's data over HTTP, for the page itself and for everybody else; `web/openapi.json` describes it.

Windows are written once for a query as long as none comes (`clickstream_consumer.answers`). What that costs is charged
to who asked first, in requests; the limits are those of `clickstream_consumer.visitors`.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from clickstream_consumer.answers import Answer, Answers
from clickstream_consumer.assets import accepts_gzip
from clickstream_consumer.history import MAX_WINDOWS, Kept, Position, WindowHistory, parse_position
from clickstream_consumer.stream import EventStream
from clickstream_consumer.tabular import as_csv
from clickstream_consumer.visitors import TooMuch, Visitors
from clickstream_core.pages import Request, Response
from clickstream_core.settings import choice, integer
from clickstream_core.timestamps import parse_timestamp, with_plus

T = TypeVar("T")
D = TypeVar("D")
_JSON = "application/json"
_DEFAULT_LIMIT = 100
_PARTS_AT_ONCE = 200
_JSON_PER_REQUEST = 200
_CSV_PER_REQUEST = 40
"""Windows whose writing counts as one more request; a row of CSV takes five times as long."""

_NOT_STORED = {"Cache-Control": "no-store"}
_BUSY_S = 10

_Selection = tuple[int | None, int | None, int]
"""Where windows begin at the earliest, before what time, and how many at most."""


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

    def __init__(self, history: WindowHistory, stream: EventStream, visitors: Visitors) -> None:
        self._history = history
        self._stream = stream
        self._visitors = visitors
        self._answers = Answers()
        self._pages: dict[str, Callable[[Request, str], Response]] = {
            "/api/windows": self._windows,
            "/api/windows.csv": self._csv,
            "/api/stream": self._events,
        }

    def answer(self, request: Request) -> Response | None:
        """Return the answer, None for a path that is not the API's.

        A wrong parameter is answered with 400, and what is above a limit with 429.
        """
        page = self._pages.get(request.path)
        if page is None:
            return None
        visitor = self._visitors.visitor(request)
        try:
            self._visitors.admit(visitor, 1)
            return page(request, visitor)
        except BadParameter as error:
            return Response(_encode(error.answer), _JSON, HTTPStatus.BAD_REQUEST, _NOT_STORED)
        except TooMuch as error:
            return _try_again(HTTPStatus.TOO_MANY_REQUESTS, str(error), error.seconds)

    def _windows(self, request: Request, visitor: str) -> Response:
        query = _Query(request, "from", "to", "limit", "fields")
        totals = query.value("fields", choice("all", "totals"), "all") == "totals"
        selection = _selection(query, _DEFAULT_LIMIT)
        answer = self._written(
            *(visitor, ("windows", totals, selection), selection, _JSON_PER_REQUEST),
            lambda windows, position: _as_json(windows, position, totals=totals),
        )
        return _sent(answer, request, _JSON)

    def _csv(self, request: Request, visitor: str) -> Response:
        query = _Query(request, "from", "to", "limit", "bom")
        marked = query.value("bom", choice("1"), None) is not None
        selection = _selection(query, MAX_WINDOWS)
        answer = self._written(
            *(visitor, ("csv", marked, selection), selection, _CSV_PER_REQUEST),
            lambda windows, position: as_csv(windows, marked=marked),
        )
        name = {"Content-Disposition": 'attachment; filename="clickstream-windows.csv"'}
        return _sent(answer, request, "text/csv; charset=utf-8; header=present", name)

    def _written(
        self,
        visitor: str,
        query: Hashable,
        selection: _Selection,
        per_request: int,
        write: Callable[[list[Kept], str], Iterable[bytes]],
    ) -> Answer:
        """Return what `write` makes of the selected windows and their position, once for a query and version."""
        found = self._answers.find(query, self._history.version)
        if found is not None:
            return found
        version, position, windows = self._history.select(*selection)
        if len(windows) >= per_request:
            self._visitors.admit(visitor, len(windows) // per_request)
        return self._answers.make(query, version, lambda: write(windows, position))

    def _events(self, request: Request, visitor: str) -> Response:
        query = _Query(request, "after")
        after: Position | None = query.value("after", parse_position, None)
        if last := request.header("Last-Event-ID"):
            try:
                after = parse_position(last)
            except ValueError:  # not an id of ours: load everything anew
                after = {}
        self._visitors.admit_stream(self._stream.open_of(visitor))
        if self._stream.full:
            busy = "too many open pages on this consumer; try again later, or add a replica"
            return _try_again(HTTPStatus.SERVICE_UNAVAILABLE, busy, _BUSY_S)
        return Response(
            content_type="text/event-stream; charset=utf-8",
            headers=_NOT_STORED | {"X-Accel-Buffering": "no"},
            keep=lambda connection: self._stream.take(connection, after, visitor),
        )


def _selection(query: "_Query", limit: int) -> _Selection:
    return (
        query.value("from", _time, None),
        query.value("to", _time, None),
        query.value("limit", integer(minimum=1, maximum=MAX_WINDOWS), limit),
    )


def _sent(answer: Answer, request: Request, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer as the client takes it; its length says whether all of it arrived."""
    packed = accepts_gzip(request)
    headers = {
        **_NOT_STORED,
        **(headers or {}),
        "Vary": "Accept-Encoding",
        "Content-Length": str(len(answer.packed) if packed else answer.size),
        **({"Content-Encoding": "gzip"} if packed else {}),
    }
    return Response(answer.packed_parts() if packed else answer.parts(), content_type, headers=headers)


def _try_again(status: HTTPStatus, message: str, seconds: int) -> Response:
    return Response(_encode({"error": message}), _JSON, status, _NOT_STORED | {"Retry-After": str(seconds)})


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
