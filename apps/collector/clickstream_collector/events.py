"""What a client may send, and the record that is made of it.

A client's object has the fields of an event or the short ones (`path`, `tag`, `id`, `timestamp`). All are optional, but
a page or a type is required. Missing fields are taken from the request. The record is an event (docs/records.md) with a
few more fields, which the processor ignores.

Browsers' clocks are wrong. If the client sends `sent_at`, by the same clock as `timestamp`, its clock is off by receive
time - sent_at, and the event happened at timestamp + receive time - sent_at; Snowplow calls this the derived timestamp.
An event can't be later than its arrival, so later times become the time of arrival.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import msgspec

from clickstream_collector.devices import Device
from clickstream_collector.errors import NotAnEvent
from clickstream_collector.page_urls import NONE, KeptParameters, cut
from clickstream_collector.request_info import RequestInfo, page_of
from clickstream_core.events import MAX_FIELD_BYTES, Event, shown
from clickstream_core.timestamps import format_milliseconds, parse_timestamp

DIRECT = "direct"  # the referrer of a visit that did not come from another site

_CANONICAL_LENGTH = len("2024-10-26T10:30:45.123Z")
_MAX_DURATION_MS = 2**63 - 1
_SCENARIO = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)
_WITHOUT_SCHEME = re.compile(r"//|www\.|[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?::[0-9]+)?/", re.IGNORECASE)


class ClientEvent(msgspec.Struct):
    """The fields of a client's object; absent, null and an empty string are the same."""

    event_id: str | None = None
    timestamp: str | None = None
    sent_at: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    event_type: str | None = None
    page_url: str | None = None
    path: str | None = None
    page_category: str | None = None
    referrer: str | None = None
    device_type: str | None = None
    country: str | None = None
    duration_ms: int | float | None = None
    consent: bool | None = None
    tag: str | None = None
    id: str | None = None
    scenario: int | str | None = None


FIELDS = frozenset(ClientEvent.__struct_fields__)
Parameter = str | int | float | bool
_MAX_PARAMETERS = 100


class CollectedEvent(Event, frozen=True, omit_defaults=True):
    """A record of clickstream-events as the collector writes it.

    `received_at` is by this server's clock; `client_timestamp` is the client's time if `timestamp` differs from it.
    `parameters` are what the client sent for its scenario beside the fields of an event.
    """

    received_at: str = ""
    client_timestamp: str = ""
    site_key: str = ""
    tag: str = ""
    element_id: str = ""
    bot: bool = False
    scenario_id: int = 0
    parameters: dict[str, Parameter] = msgspec.field(default_factory=dict)


encode_collected = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of a `CollectedEvent`."""


def read_event(candidate: Any) -> ClientEvent:
    """Return the event in a JSON value. Raises NotAnEvent."""
    if not isinstance(candidate, dict):
        raise NotAnEvent("not_object", f"expected an object, not {shown(candidate)}")
    try:
        event = msgspec.convert(candidate, ClientEvent)
    except msgspec.ValidationError as error:
        raise NotAnEvent("wrong_type", _in_our_words(error)) from error
    if not (event.page_url or event.path or event.event_type):
        raise NotAnEvent("missing_field", "page_url (or path) is missing, and event_type too")
    duration = event.duration_ms
    if duration is not None and not 0 <= duration <= _MAX_DURATION_MS:
        raise NotAnEvent("wrong_type", f"duration_ms must be a number from 0 to {_MAX_DURATION_MS}, not {duration}")
    if event.scenario not in (None, "") and not _SCENARIO.fullmatch(str(event.scenario)):
        raise NotAnEvent("wrong_type", f"scenario must be a whole number from 1 on, not {shown(event.scenario)}")
    return event


def collected(
    event: ClientEvent,
    info: RequestInfo,
    device: Device,
    country: str,
    user_id: str,
    session_id: str,
    kept: KeptParameters = NONE,
    parameters: Mapping[str, Parameter] = MappingProxyType({}),
) -> CollectedEvent:
    """Return the record of an event. `device` to `session_id` come from the request, for fields that the event lacks;
    `kept` are the parameters that stay in page_url, `parameters` those for the event's scenario.

    Raises NotAnEvent for an invalid time, and if neither event nor request has a page.
    """
    given = event.page_url or event.path or ""
    page = cut(given, kept) or info.path + kept.of(info.query) or ("/" if given else "")
    if not page:
        raise NotAnEvent("missing_field", "page_url (or path) is missing")
    timestamp = happened_at(event, info)
    return CollectedEvent(
        event_id=event.event_id or str(uuid4()),
        timestamp=timestamp,
        user_id=event.user_id or user_id,
        session_id=event.session_id or session_id,
        event_type=event.event_type or ("click" if event.tag or event.id else "page_view"),
        page_url=page,
        page_category=event.page_category or "",
        referrer=referrer_of(event.referrer, page_of(given)[0] or info.host),
        device_type=event.device_type or device.kind,
        country=event.country or country,
        duration_ms=int(event.duration_ms or 0),
        received_at=info.received,
        client_timestamp=event.timestamp if event.timestamp and event.timestamp != timestamp else "",
        site_key=info.site_key,
        tag=event.tag or "",
        element_id=event.id or "",
        bot=device.crawler,
        scenario_id=int(event.scenario or 0),
        parameters=dict(parameters),
    )


def scenario_parameters(candidate: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return what an object has for its scenario: `parameters`, and what is no field of an event.

    Only texts, numbers and truth values count. Raises NotAnEvent for too many.
    """
    named = candidate.get("parameters")
    given = {name: each for name, each in candidate.items() if name not in FIELDS}
    given |= named if isinstance(named, dict) else {}
    found = {name: each for name, each in given.items() if isinstance(each, Parameter)}
    if len(found) > _MAX_PARAMETERS:
        raise NotAnEvent("wrong_type", f"the event has {len(found)} parameters; at most {_MAX_PARAMETERS} are allowed")
    return found


def happened_at(event: ClientEvent, info: RequestInfo) -> str:
    """Return the event's time by this server's clock. Raises NotAnEvent (bad_timestamp)."""
    if not event.timestamp:
        return info.received
    client = _milliseconds("timestamp", event.timestamp)
    sent_at = _milliseconds("sent_at", event.sent_at) if event.sent_at else info.sent_at
    skew = 0 if sent_at is None else info.received_at - sent_at
    if client + skew >= info.received_at:
        return info.received
    if skew == 0 and len(event.timestamp) == _CANONICAL_LENGTH and event.timestamp.endswith("Z"):
        return event.timestamp.upper().replace(" ", "T")
    try:
        return format_milliseconds(client + skew)
    except ValueError as error:
        raise NotAnEvent("bad_timestamp", f"timestamp {shown(event.timestamp)} is before year 1") from error


def referrer_of(referrer: str | None, own_host: str) -> str:
    """Return the host of a referring URL, `direct` for the page's own host or no referrer; a name stays as it is.

    A URL may lack its scheme, as in //host/path and www.example.com/path. Without a host it is cut like a page's.
    """
    if not referrer:
        return DIRECT
    without_user = cut(referrer)
    host, _ = page_of(f"https://{without_user.lstrip('/')}" if _WITHOUT_SCHEME.match(without_user) else referrer)
    if host:
        return DIRECT if host == own_host else host
    return without_user or DIRECT


def check_lengths(event: CollectedEvent) -> None:
    """Raise NotAnEvent for a string that is too long for the processor."""
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, str) and len(value) * 4 > MAX_FIELD_BYTES and len(value.encode()) > MAX_FIELD_BYTES:
            raise NotAnEvent("wrong_type", f"{name} must be a string of at most {MAX_FIELD_BYTES} bytes")


def _milliseconds(name: str, text: str) -> int:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise NotAnEvent("bad_timestamp", f"{name} {shown(text)} {error}") from error


def _in_our_words(error: msgspec.ValidationError) -> str:
    """Turn "Expected `str | null`, got `int` - at `$.user_id`" into "user_id: expected str or null, got int"."""
    what, _, place = str(error).replace("`", "").replace(" | ", " or ").partition(" - at $.")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else what
