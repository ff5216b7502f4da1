import json
from typing import Any

import pytest

from clickstream_core.errors import MalformedMetrics
from clickstream_core.window_metrics import WindowMetrics, decode_window_metrics, encode_window_metrics

# A record of another writer, without the fields that a reader does not need.
WITHOUT_REVISION: dict[str, Any] = {
    "window_start": "2024-10-26T10:30:00Z",
    "window_end": "2024-10-26T10:35:00Z",
    "total_events": 3000,
    "unique_users": 100,
    "unique_sessions": 684,
    "event_types": {"page_view": 582, "click": 659},
    "devices": {"mobile": 1013},
    "top_referrers": {"google.com": 642},
    "top_pages": {"/products/laptop": 251},
    "avg_duration_ms": 5162,
}


def test_a_record_without_a_revision_is_a_first_result() -> None:
    metrics = decode_window_metrics(json.dumps(WITHOUT_REVISION).encode())
    assert (metrics.total_events, metrics.revision, metrics.approximate) == (3000, 0, False)


def test_maps_keep_their_order_through_json() -> None:
    metrics = decode_window_metrics(json.dumps(WITHOUT_REVISION).encode())
    assert list(metrics.event_types) == ["page_view", "click"]
    assert decode_window_metrics(encode_window_metrics(metrics)) == metrics


def test_the_record_has_the_documented_fields() -> None:
    metrics = decode_window_metrics(json.dumps(WITHOUT_REVISION).encode())
    assert json.loads(encode_window_metrics(metrics)) == {**WITHOUT_REVISION, "revision": 0, "approximate": False}
    assert isinstance(metrics, WindowMetrics)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        *(
            json.dumps({**WITHOUT_REVISION, **change}).encode()
            for change in (
                {"window_start": "yesterday"},
                {"window_end": "2024-10-26T10:35:00"},
                {"total_events": "3000"},
                {"total_events": 10**400},
                {"unique_users": -1},
                {"top_pages": {"/": 2**63}},
                {"event_types": [["click", 1]]},
            )
        ),
    ],
)
def test_impossible_counts_are_malformed(value: bytes | None) -> None:
    with pytest.raises(MalformedMetrics):
        decode_window_metrics(value)


def test_countries_are_kept_where_a_record_has_them_and_not_written_where_it_has_not() -> None:
    record = b'{"window_start":"2024-10-26T10:30:00Z","window_end":"2024-10-26T10:35:00Z","total_events":3,'
    record += b'"unique_users":1,"unique_sessions":1,"event_types":{},"devices":{},"top_referrers":{},"top_pages":{},'
    record += b'"avg_duration_ms":5,"revision":0,"approximate":false'
    for end in (b"}", b',"countries":{"KR":2,"DE":1}}'):
        assert encode_window_metrics(decode_window_metrics(record + end)) == record + end
    with pytest.raises(MalformedMetrics, match="countries"):
        decode_window_metrics(record + b',"countries":{"KR":"2"}}')
