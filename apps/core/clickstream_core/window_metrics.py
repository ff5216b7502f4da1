"""The metrics record: the result of one window on clickstream-metrics.

One JSON object per window and revision. Maps are ordered by count descending, then by name, and keep that order in
JSON, so a reader can print them as they are.
"""

from typing import Annotated

import msgspec

from clickstream_core.errors import MalformedMetrics
from clickstream_core.timestamps import parse_timestamp

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class WindowMetrics(msgspec.Struct, frozen=True):
    """The figures of one window [window_start, window_end).

    Bounds are RFC 3339 in UTC without fraction; maps are {name: count}; `avg_duration_ms` is the floor of the average
    in milliseconds. `revision` is 0 for a window's first result and one more each time later events change it.
    `approximate` is true once a limit was exceeded and a sketch is used. `countries` (ISO 3166 alpha-2) is unset unless
    the writer of the record counts them.
    """

    window_start: str
    window_end: str
    total_events: Count
    unique_users: Count
    unique_sessions: Count
    event_types: dict[str, Count]
    devices: dict[str, Count]
    top_referrers: dict[str, Count]
    top_pages: dict[str, Count]
    avg_duration_ms: Count
    revision: Count = 0
    approximate: bool = False
    countries: dict[str, Count] | msgspec.UnsetType = msgspec.UNSET


encode_window_metrics = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of a `WindowMetrics`."""

_decode = msgspec.json.Decoder(WindowMetrics).decode


def decode_window_metrics(value: bytes | None) -> WindowMetrics:
    """Return the metrics in a record's value; a record without `revision` is revision 0.

    Raises MalformedMetrics with the reason.
    """
    if value is None:
        raise MalformedMetrics("the record has no value")
    try:
        metrics = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMetrics(f"not a metrics record: {error}") from error
    for bound in (metrics.window_start, metrics.window_end):
        try:
            parse_timestamp(bound)
        except ValueError as error:
            raise MalformedMetrics(f"the window's bound {bound!r} {error}") from error
    return metrics
