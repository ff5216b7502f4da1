"""The page's data over HTTP, for the page and for other clients; `web/openapi.json` describes it.

The answer to a query is written once and kept until the next result arrives (`clickstream_consumer.answers`). Writing a
large one counts as further requests of the visitor who asked first (`clickstream_web.visitors`). It takes up to a
second, so these endpoints are plain functions, which Starlette calls in a thread.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_consumer.answers import Answer, Answers
from clickstream_consumer.history import MAX_WINDOWS, Kept, Position, parse_position
from clickstream_consumer.tabular import as_csv
from clickstream_consumer.updates import Updates
from clickstream_core.settings import choice, integer
from clickstream_core.timestamps import parse_timestamp, with_plus
from clickstream_web.errors import Refused
from clickstream_web.event_stream import HEADERS as STREAM_HEADERS
from clickstream_web.event_stream import Browser
from clickstream_web.requests import Query, accepts_gzip, field
from clickstream_web.responses import PartedResponse, in_parts
from clickstream_web.visitors import Visitors

_JSON = "application/json"
_CSV = "text/csv; charset=utf-8; header=present"
_CSV_NAME = {"Content-Disposition": 'attachment; filename="clickstream-windows.csv"'}
_DEFAULT_LIMIT = 100
_PARTS_AT_ONCE = 200
_JSON_PER_REQUEST = 200
_CSV_PER_REQUEST = 40
_RECEIPTS_PER_REQUEST = 40
"""Windows that count as one more request when they are written; a row of CSV takes five times as long."""

_RETRY_BUSY_S = 10

_Selection = tuple[int | None, int | None, int]
"""The earliest start of a window, the time before which it starts, and the number of windows at most."""


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
    """The routes below /api/. A wrong parameter gets 400, and a request above a visitor's limit 429."""

    def __init__(self, updates: Updates, visitors: Visitors) -> None:
        self._updates = updates
        self._history = updates.history
        self._visitors = visitors
        self._answers = Answers()
        self.routes = [
            Route("/api/windows", self._windows),
            Route("/api/windows.csv", self._csv),
            Route("/api/receipts", self._receipts),
            Route("/api/stream", self._stream),
        ]

    def _windows(self, request: Request) -> Response:
        visitor = self._admitted(request)
        query = Query(request, "from", "to", "limit", "fields")
        totals = query.value("fields", choice("all", "totals"), "all") == "totals"
        selection = _selection(query, _DEFAULT_LIMIT)
        answer = self._written(
            *(visitor, ("windows", totals, selection), selection, _JSON_PER_REQUEST),
            lambda windows, position: _as_json(windows, position, totals=totals),
        )
        return _response(answer, request, _JSON, {})

    def _csv(self, request: Request) -> Response:
        visitor = self._admitted(request)
        query = Query(request, "from", "to", "limit", "bom")
        marked = query.value("bom", choice("1"), None) is not None
        selection = _selection(query, MAX_WINDOWS)
        answer = self._written(
            *(visitor, ("csv", marked, selection), selection, _CSV_PER_REQUEST),
            lambda windows, position: as_csv(windows, marked=marked),
        )
        return _response(answer, request, _CSV, _CSV_NAME)

    def _receipts(self, request: Request) -> Response:
        visitor = self._admitted(request)
        selection = _selection(Query(request, "from", "to", "limit"), _DEFAULT_LIMIT)
        answer = self._written(
            *(visitor, ("receipts", selection), selection, _RECEIPTS_PER_REQUEST),
            lambda windows, position: _in_object(position, b"receipts", map(_receipt_json, windows)),
        )
        return _response(answer, request, _JSON, {})

    def _admitted(self, request: Request) -> str:
        """Count the request and return its visitor. Raises Refused."""
        visitor = self._visitors.visitor(request)
        self._visitors.admit(visitor, 1)
        return visitor

    def _written(
        self,
        visitor: str,
        query: Hashable,
        selection: _Selection,
        per_request: int,
        write: Callable[[list[Kept], str], Iterable[bytes]],
    ) -> Answer:
        """Return the selected windows and their position as `write` encodes them, once for a query and version."""
        found = self._answers.find(query, self._history.version)
        if found is not None:
            return found
        version, position, windows = self._history.select(*selection)
        if len(windows) >= per_request:
            self._visitors.admit(visitor, len(windows) // per_request)
        return self._answers.make(query, version, lambda: write(windows, position))

    async def _stream(self, request: Request) -> Response:
        visitor = self._admitted(request)
        query = Query(request, "after")
        after: Position | None = query.value("after", parse_position, None)
        if last := field(request, "Last-Event-ID"):
            try:
                after = parse_position(last)
            except ValueError:  # not one of our ids: load everything again
                after = {}
        stream = self._updates.stream
        self._visitors.admit_stream(stream.open_of(visitor))
        if stream.full:
            busy = "too many open pages on this consumer; try again later, or add a replica"
            raise Refused(503, busy, retry_after_s=_RETRY_BUSY_S)
        if request.method == "HEAD":
            return Response(headers=STREAM_HEADERS, media_type=Browser.media_type)
        return self._updates.join(visitor, after)


def _selection(query: Query, limit: int) -> _Selection:
    return (
        query.value("from", _time, None),
        query.value("to", _time, None),
        query.value("limit", integer(minimum=1, maximum=MAX_WINDOWS), limit),
    )


def _response(answer: Answer, request: Request, content_type: str, headers: dict[str, str]) -> Response:
    """Send the answer in an encoding that the client accepts, with its length, so that a cut-off one is noticed."""
    headers = {"Cache-Control": "no-store", **headers, "Vary": "Accept-Encoding"}
    if accepts_gzip(request):
        packed = {**headers, "Content-Encoding": "gzip"}
        return PartedResponse(in_parts(answer.packed), len(answer.packed), content_type, packed)
    return PartedResponse(answer.parts(), answer.size, content_type, headers)


def _time(text: str) -> int:
    try:
        return parse_timestamp(with_plus(text))
    except ValueError as error:
        raise ValueError(f"{error}; expected a time such as 2024-10-26T10:30:00Z") from error


def _as_json(windows: Iterable[Kept], position: str, *, totals: bool) -> Iterator[bytes]:
    written = (_encode(_decode_totals(kept.json)) if totals else kept.json for kept in windows)
    return _in_object(position, b"windows", written)


def _receipt_json(kept: Kept) -> bytes:
    totals = _decode_totals(kept.json)
    bounds = {"window_start": totals.window_start, "window_end": totals.window_end}
    receipt = None if kept.receipt is None else msgspec.Raw(kept.receipt)
    return _encode({**bounds, "revision": kept.revision, "receipt": receipt})


def _in_object(position: str, name: bytes, elements: Iterable[bytes]) -> Iterator[bytes]:
    yield b'{"position":%s,"%s":[' % (_encode(position), name)
    part: list[bytes] = []
    separator = b""
    for element in elements:
        part.append(element)
        if len(part) == _PARTS_AT_ONCE:
            yield separator + b",\n".join(part)
            separator = b",\n"
            part.clear()
    if part:
        yield separator + b",\n".join(part)
    yield b"]}\n"
