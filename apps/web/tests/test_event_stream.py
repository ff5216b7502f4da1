"""Server-sent events over real connections: who gets what, and what a slow browser costs."""

import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clickstream_local.ports import free_port
from clickstream_web.event_stream import MAX_WAITING_BYTES, EventStream, event
from clickstream_web.server import web_server
from clickstream_web.shell import application
from kit.event_listener import Listener
from kit.poll import eventually

HEARTBEAT = event("alive", b"{}")


@dataclass
class Site:
    """A stream that is served, and what was dropped from it."""

    port: int
    stream: EventStream
    dropped: list[str]

    def publish(self, number: int, filling: int = 0) -> None:
        """Send an event to all who listen."""
        self.stream.send(event("news", b'{"n":%d,"text":"%s"}' % (number, b"x" * filling)))

    def listen(self, receive_buffer: int = 0) -> Listener:
        """One more browser."""
        return Listener(self.port, "/events", receive_buffer=receive_buffer)


@pytest.fixture
def site() -> Iterator[Site]:
    dropped: list[str] = []
    stream = EventStream(lambda: HEARTBEAT, heartbeat_s=0.3, dropped=lambda: dropped.append("one"))

    async def events(request: Request) -> Response:
        return stream.join("visitor")

    port = free_port()
    app = application([Route("/events", events)])
    with web_server(app, port, before_stop=stream.close):
        yield Site(port, stream, dropped)


def test_an_event_has_a_name_data_and_where_it_is_given_an_id() -> None:
    assert event("news", b"{}") == b"event: news\ndata: {}\n\n"
    assert event("news", b"{}", "0:1") == b"id: 0:1\nevent: news\ndata: {}\n\n"


def test_a_browser_gets_published_events_and_heartbeats_in_between(site: Site) -> None:
    listener = site.listen()
    assert listener.head.startswith("http/1.1 200 ")
    assert "content-type: text/event-stream; charset=utf-8\r\n" in listener.head
    assert "content-length" not in listener.head
    assert "cache-control: no-store\r\n" in listener.head
    assert [listener.next("alive").name for _ in range(3)] == ["alive"] * 3
    site.publish(1)
    assert listener.next("news").data["n"] == 1
    listener.close()


def test_before_the_first_browser_and_after_the_last_server_nothing_happens(site: Site) -> None:
    site.publish(1)
    listener = site.listen()
    site.stream.close()
    assert listener.ended()
    eventually(lambda: len(site.stream) == 0, 5)
    site.publish(2)


def test_a_slow_browser_is_dropped_and_delays_no_other(site: Site) -> None:
    slow, quick = site.listen(receive_buffer=4096), site.listen()
    for number in range(1, 60):
        site.publish(number, filling=20_000)
        assert quick.next("news").data["n"] == number
    assert len(site.stream) == 1, "1.2 MB are more than may wait for one browser"
    assert slow.ended()
    quick.close()


def test_only_a_browser_that_is_too_slow_counts_as_dropped(site: Site) -> None:
    slow, leaving = site.listen(receive_buffer=4096), site.listen()
    assert len(site.stream) == 2
    leaving.close()
    eventually(lambda: len(site.stream) == 1, 5)
    for number in range(1, 60):
        site.publish(number, filling=20_000)
    eventually(lambda: len(site.stream) == 0, 5)
    assert site.dropped == ["one"]
    slow.close()


def test_the_queue_of_a_slow_browser_is_bounded(site: Site) -> None:
    slow = site.listen(receive_buffer=4096)
    (browser,) = site.stream._browsers
    most = 0
    for number in range(1, 60):
        site.publish(number, filling=20_000)
        most = max(most, browser.waiting_bytes)
    eventually(lambda: len(site.stream) == 0, 5)
    assert most <= MAX_WAITING_BYTES + 25_000
    assert not browser.waiting
    slow.close()


def test_an_event_for_many_browsers_is_in_memory_once(site: Site) -> None:
    slow = [site.listen(receive_buffer=4096) for _ in range(100)]
    browsers = list(site.stream._browsers)
    tracemalloc.start()
    for number in range(1, 381):  # 250 kB, less than may wait for one
        site.publish(number, filling=600)
    eventually(lambda: all(browser.waiting_bytes > 50_000 for browser in browsers), 10)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(site.stream) == 100, "none was dropped"
    print(f"{sum(browser.waiting_bytes for browser in browsers) / 1e6:.0f} MB wait, {used / 1e6:.1f} MB are used")
    assert used < 1_500_000
    for each in slow:
        each.close()


def test_browsers_that_leave_are_forgotten(site: Site) -> None:
    listeners = [site.listen() for _ in range(20)]
    assert (len(site.stream), site.stream.open_of("visitor")) == (20, 20)
    for listener in listeners:
        listener.close()
    eventually(lambda: len(site.stream) == 0, 5)
    assert site.stream.open_of("visitor") == 0


def test_one_thread_sends_everything_to_200_browsers(site: Site) -> None:
    threads = threading.active_count()
    listeners = [site.listen() for _ in range(200)]
    eventually(lambda: threading.active_count() == threads, 10)
    for number in (1, 2, 3):
        site.publish(number)
    for listener in listeners:
        assert [listener.next("news").data["n"] for _ in range(3)] == [1, 2, 3]
        listener.close()


def test_the_server_ends_in_time_with_200_browsers_one_of_which_reads_nothing() -> None:
    stream = EventStream(lambda: HEARTBEAT)

    async def events(request: Request) -> Response:
        return stream.join("visitor")

    port = free_port()
    with web_server(application([Route("/events", events)]), port, before_stop=stream.close):
        listeners = [Listener(port, "/events", receive_buffer=4096) for _ in range(200)]
        (first, *_) = stream._browsers
        for _ in range(2):
            stream.post(lambda: first.queue(event("news", b"x" * 120_000)))
        eventually(lambda: first.waiting_bytes, 5)
        stopped_at = time.monotonic()
    assert time.monotonic() - stopped_at < 4
    assert all(listener.ended() for listener in listeners)
