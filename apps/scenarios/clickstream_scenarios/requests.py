"""A record of clickstream-access-logs, or of clickstream-events, as the request of a scenario.

An access log's record is what Fluentd's and Fluent Bit's nginx parsers write (`method`, `path`, `code`) or NGINX itself
as JSON (`method`, `request_uri`, `status`). Its request is a scenario's if it is a GET or HEAD of `/{digits}` that
was answered without an error; any other is left out. An event is a scenario's if it has a `scenario_id`; its parameters
are those of its `parameters`, then its own fields.

The visitor's address is in neither: it is not read.
"""

import enum
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from clickstream_core.events import shown, with_whole_pairs
from clickstream_core.nesting import too_deep
from clickstream_core.query_parameters import decode, parameters
from clickstream_scenarios.errors import InvalidRequest
from clickstream_scenarios.times import parse_time

Value = str | int | float | bool

MEMBER_ID = "memberId"
MAX_REQUEST_ID_LENGTH = 128

_TARGET = re.compile(r"/([0-9]+)(?:\?(.*))?", re.DOTALL)
_METHODS = ("GET", "HEAD")
BEYOND_ALL_IDS = -1
"""The scenario of a request whose number is larger than any scenario's."""
_ID_DIGITS = 18


class LeftOut(enum.Enum):
    """Why a record is no scenario's request; counted, and nothing is written."""

    OTHER_PATH = "path"
    OTHER_METHOD = "method"
    FAILED = "status"
    NO_SCENARIO = "event"


class Request:
    """A scenario's request; `time` is in milliseconds since the epoch."""

    __slots__ = ("_fields", "_raw", "method", "path", "request_id", "scenario_id", "time")

    def __init__(
        self,
        scenario_id: int,
        time: int,
        *,
        raw: Mapping[str, str] | None = None,
        fields: Mapping[str, Value] | None = None,
        method: str | None = None,
        path: str | None = None,
        request_id: str = "",
    ) -> None:
        """`raw` are parameters whose values are decoded when they are asked for, `fields` decoded ones."""
        self.scenario_id = scenario_id
        self.time = time
        self.method = method
        self.path = path
        self.request_id = request_id
        self._raw = raw
        self._fields = fields or {}

    def parameter(self, name: str) -> Value | None:
        """Return a parameter's value; None when the request does not have it."""
        if self._raw is None:
            return self._fields.get(name)
        value = self._raw.get(name)
        return None if value is None else decode(value)

    @property
    def member_id(self) -> str:
        """The member who sent it; "" when it names none."""
        value = self.parameter(MEMBER_ID)
        return "" if value is None or isinstance(value, bool) else str(value)

    @property
    def parameters(self) -> Mapping[str, Value]:
        """All parameters, decoded."""
        return self._fields if self._raw is None else {name: decode(value) for name, value in self._raw.items()}


class _AccessLog(msgspec.Struct, gc=False):
    method: Any = None
    path: Any = None
    request_uri: Any = None
    code: Any = None
    status: Any = None
    time: Any = None
    at: Any = msgspec.field(default=None, name="@timestamp")
    request_id: Any = None


_decode_access_log = msgspec.json.Decoder(_AccessLog).decode
_decode_event = msgspec.json.Decoder(dict[str, Any]).decode


def read_access_log(value: bytes | None, arrived: int) -> Request | LeftOut:
    """Return the request in a record; `arrived`, its Kafka timestamp, is its time if the log has none.

    Raises InvalidRequest with the reason of a dead letter.
    """
    line = _decoded(value, _decode_access_log)
    target = line.request_uri if line.path is None else line.path
    request_id = line.request_id
    request_id = request_id[:MAX_REQUEST_ID_LENGTH] if isinstance(request_id, str) else ""
    status = _status(line.status if line.code is None else line.code)
    if status is not None and not 100 <= status < 400:
        return LeftOut.FAILED  # before all else: NGINX logs what is no request at all as 400, without a path
    if not isinstance(target, str):
        raise InvalidRequest("missing_field", f"path (or request_uri) {_missing(target, 'text')}", request_id)
    matched = _TARGET.fullmatch(target)
    if matched is None:
        return LeftOut.OTHER_PATH
    if line.method not in _METHODS:
        if isinstance(line.method, str) and line.method:
            return LeftOut.OTHER_METHOD
        raise InvalidRequest("missing_field", f"method {_missing(line.method, 'text')}", request_id)
    if status is None:
        given = line.status if line.code is None else line.code
        raise InvalidRequest("missing_field", f"code (or status) {_missing(given, 'a number')}", request_id)
    time = line.at if line.time is None or line.time == "" else line.time
    digits, query = matched.groups()
    return Request(
        _scenario_id(digits),
        arrived if time is None or time == "" else _time("time", time, request_id),
        raw=parameters(query) if query else {},
        method=line.method,
        path=target.partition("?")[0],
        request_id=request_id,
    )


def read_event(value: bytes | None, arrived: int) -> Request | LeftOut:
    """Return the request in an event; its own timestamp is its time. Raises InvalidRequest."""
    if value is None or b'"scenario_id"' not in value:
        return LeftOut.NO_SCENARIO
    event = _decoded(value, _decode_event)
    given = event.get("scenario_id")
    if given is None:
        return LeftOut.NO_SCENARIO
    timestamp = event.get("timestamp")
    if timestamp is None:
        raise InvalidRequest("missing_field", "timestamp is missing")
    digits = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if not re.fullmatch("[0-9]+", digits):
        raise InvalidRequest("unknown_scenario", f"scenario_id must be a whole number, not {shown(given)}")
    named = event.get("parameters")
    fields = {**event, **named} if isinstance(named, dict) else event
    return Request(
        _scenario_id(digits),
        _time("timestamp", timestamp, ""),
        fields={name: each for name, each in fields.items() if isinstance(each, Value)},
    )


def _decoded(value: bytes | None, decode_json: Any) -> Any:
    if value is None:
        raise InvalidRequest("not_json", "the record has no value")
    if too_deep(value):
        raise InvalidRequest("not_json", "not JSON: it is nested too deeply")
    try:
        try:
            return _decoded_text(value, decode_json)
        except msgspec.ValidationError:
            found = _decoded_text(value, msgspec.json.decode)  # what follows its first character need not be JSON
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest("not_json", f"not JSON: {error}") from error
    raise InvalidRequest("not_object", f"a JSON object was expected, not {shown(found)}")


def _decoded_text(value: bytes, decode_json: Any) -> Any:
    """Decode the JSON; what its strings may hold that is no text becomes U+FFFD.

    NGINX writes the bytes of a request as they came, and they need not be UTF-8; JavaScript cuts surrogate pairs.
    """
    try:
        return decode_json(value)
    except UnicodeDecodeError:
        return decode_json(value.decode("utf-8", "replace").encode())
    except msgspec.DecodeError:
        whole = with_whole_pairs(value)
        if whole == value:
            raise
        return decode_json(whole)


def _status(status: object) -> int | None:
    if isinstance(status, int) and not isinstance(status, bool):
        return status
    if isinstance(status, str) and re.fullmatch("[0-9]{3}", status):
        return int(status)
    return None


def _missing(value: object, expected: str) -> str:
    return "is missing" if value is None or value == "" else f"must be {expected}, not {shown(value)}"


def _time(name: str, value: object, request_id: str) -> int:
    try:
        return parse_time(value)
    except ValueError as error:
        raise InvalidRequest("bad_timestamp", f"{name} {shown(value)} {error}", request_id) from error


def _scenario_id(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _ID_DIGITS else BEYOND_ALL_IDS
