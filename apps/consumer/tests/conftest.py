"""An example's window, ways to make results of it, and the page on a free port."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from clickstream_consumer.results import WindowResult
from clickstream_core.window_metrics import WindowMetrics
from clickstream_kafka.library_errors import LibraryErrors
from kit.page import Site, served_page

MakeResult = Callable[..., WindowResult]


@pytest.fixture
def reference() -> WindowMetrics:
    return WindowMetrics(
        window_start="2024-10-26T10:30:00Z",
        window_end="2024-10-26T10:35:00Z",
        total_events=3000,
        unique_users=100,
        unique_sessions=684,
        event_types={"page_view": 582, "click": 659, "add_to_cart": 578, "search": 568, "purchase": 613},
        devices={"mobile": 1013, "desktop": 996, "tablet": 991},
        top_referrers={"google.com": 642, "x.com": 603, "email": 599},
        top_pages={"/products/laptop": 251, "/blog": 242, "/contact": 240},
        avg_duration_ms=5162,
    )


@pytest.fixture
def make_result(reference: WindowMetrics) -> MakeResult:
    """Makes the example's result with other minutes of the hour as its bounds, and other fields where given."""

    def make(
        minute: int = 30, *, partition: int = 1, offset: int = 42, consumed: int = 7, **fields: Any
    ) -> WindowResult:
        bounds = {
            "window_start": f"2024-10-26T10:{minute:02}:00Z",
            "window_end": f"2024-10-26T10:{minute + 5:02}:00Z",
        }
        metrics = msgspec.structs.replace(reference, **(bounds | fields))
        return WindowResult.of(metrics, partition=partition, offset=offset, consumed=consumed)

    return make


@pytest.fixture
def library_errors() -> Iterator[LibraryErrors]:
    """Listens to kafka-python for one test."""
    library = logging.getLogger("kafka")
    propagate = library.propagate
    handler = LibraryErrors()
    yield handler
    library.removeHandler(handler)
    library.propagate = propagate


@pytest.fixture
def site(reference: WindowMetrics) -> Iterator[Site]:
    """The page without Kafka: the test decides what arrives."""
    with served_page(reference) as site:
        yield site
