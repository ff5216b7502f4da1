import json
import socket
import threading
import tracemalloc
from dataclasses import dataclass

import pytest

from clickstream_consumer import stream as module
from kit.page import Site
from kit.poll import eventually


@dataclass(frozen=True)
class Event:
    name: str
    data: dict[str, object]
    id: str


class Listener:
    """A browser that reads its events when the test says so."""

    def __init__(self, site: Site, query: str = "", last_event_id: str | None = None, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", site.port))
        last = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id is not None else ""
        self.socket.sendall(f"GET /api/stream{query} HTTP/1.1\r\nHost: x\r\n{last}\r\n".encode())
        self._received = b""
        self.head = self._until(b"\r\n\r\n").decode()

    def next(self, *names: str) -> Event:
        """The next event of one of the names; others are passed over."""
        while True:
            lines = dict(
                line.split(": ", 1) for line in self._until(b"\n\n").decode().splitlines() if not line.startswith(":")
            )
            if lines.get("event") in names:
                return Event(lines["event"], json.loads(lines["data"]), lines.get("id", ""))

    def ended(self) -> bool:
        """Whether the server has closed the connection, once all was read."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            part = self.socket.recv(1 << 16)
            assert part, "the connection was closed"
            self._received += part
        found, _, self._received = self._received.partition(end)
        return found


def test_a_window_is_told_as_it_closes(site: Site) -> None:
    site.fill(2)
    site.ready()
    listener = Listener(site)
    assert listener.head.startswith("HTTP/1.0 200 ")
    assert "Content-Type: text/event-stream" in listener.head
    assert "Content-Length" not in listener.head
    assert listener.next("status").data == {"condition": "ready"}
    site.add(1, total_events=77)
    event = listener.next("window")
    assert (event.data["total_events"], event.data["window_end"]) == (77, "2026-09-21T14:14:00Z")
    assert event.id == site.history.position() == "0:1,1:1,2:1"
    listener.close()


def test_a_revision_is_told_and_a_repeated_result_is_not(site: Site) -> None:
    site.fill(1)
    site.ready()
    listener = Listener(site)
    listener.next("status")
    site.add(0, revision=1)
    site.add(0, revision=1)
    site.add(0, revision=0)
    site.add(1)
    assert listener.next("window").data["revision"] == 1
    assert listener.next("window").data["window_end"] == "2026-09-21T14:14:00Z"
    listener.close()


def test_a_browser_that_comes_back_gets_what_it_missed(site: Site) -> None:
    site.fill(6)
    site.ready()
    position = site.history.position()
    for number in (1, 2, 3, 4):
        site.add(number)
    for listener in (Listener(site, f"?after={position}"), Listener(site, "?after=0:0", last_event_id=position)):
        missed = [listener.next("window") for _ in range(4)]
        assert {event.data["window_end"] for event in missed} == {
            f"2026-09-21T14:{end}Z" for end in ("14:00", "14:30", "15:00", "15:30")
        }
        assert missed[-1].id == site.history.position()
        listener.close()


def test_much_that_was_missed_is_loaded_anew(site: Site) -> None:
    site.fill(1000)
    site.ready()
    for query, last in (("?after=", None), ("?after=0:0", None), ("", "0:999999"), ("", "not ours")):
        listener = Listener(site, query, last)
        event = listener.next("reload", "window")
        assert (event.name, event.id) == ("reload", site.history.position())
        listener.close()


def test_while_the_history_is_read_only_the_status_is_told(site: Site) -> None:
    listener = Listener(site, "?after=0:0")
    assert listener.next("status").data == {"condition": "connecting"}
    site.fill(3)
    site.stream.status("joining")
    told = [listener.next("status", "window").data for _ in range(3)]
    assert {"condition": "joining"} in told
    assert all("condition" in each for each in told)
    site.ready()
    ends = {listener.next("window").data["window_end"] for _ in range(3)}
    assert ends == {f"2026-09-21T14:{end}Z" for end in ("12:30", "13:00", "13:30")}
    site.add(1)
    assert listener.next("window").data["window_end"] == "2026-09-21T14:14:00Z"
    listener.close()


def test_kafkas_going_and_coming_back_is_told(site: Site) -> None:
    site.ready()
    listener = Listener(site)
    assert listener.next("status").data == {"condition": "ready"}
    site.stream.status("away")
    eventually(lambda: listener.next("status").data == {"condition": "away"}, 5)
    site.stream.status("ready")
    eventually(lambda: listener.next("status").data == {"condition": "ready"}, 5)
    listener.close()


def test_the_status_is_repeated_as_a_sign_of_life(site: Site) -> None:
    site.ready()
    listener = Listener(site)
    assert [listener.next("status").data for _ in range(3)] == [{"condition": "ready"}] * 3
    listener.close()


def test_a_slow_browser_is_dropped_and_holds_nobody_up(site: Site) -> None:
    site.ready()
    slow = Listener(site, receive_buffer=4096)
    quick = Listener(site)
    quick.next("status")
    eventually(lambda: len(site.stream) == 2, 5)
    pages = {"/" + "x" * 20_000: 1}
    for number in range(1, 60):
        site.add(number, top_pages=pages, total_events=number)
        assert quick.next("window").data["total_events"] == number
    assert len(site.stream) == 1, "1.2 MB are more than may wait for one browser"
    assert slow.ended()
    quick.close()


def test_only_a_browser_that_is_too_slow_counts_as_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(site.stream, "_dropped", lambda: dropped.append("one"))
    site.ready()
    slow, leaving = Listener(site, receive_buffer=4096), Listener(site)
    eventually(lambda: len(site.stream) == 2, 5)
    leaving.close()
    eventually(lambda: len(site.stream) == 1, 5)
    for number in range(1, 60):
        site.add(number, top_pages={"/" + "x" * 20_000: 1})
    eventually(lambda: len(site.stream) == 0, 5)
    assert dropped == ["one"]
    slow.close()


def test_what_waits_for_a_slow_browser_is_bounded(site: Site) -> None:
    site.ready()
    slow = Listener(site, receive_buffer=4096)
    eventually(lambda: len(site.stream) == 1, 5)
    (browser,) = site.stream._browsers
    most = 0
    for number in range(1, 60):
        site.add(number, top_pages={"/" + "x" * 20_000: 1})
        most = max(most, browser.waiting_bytes)
    eventually(lambda: len(site.stream) == 0, 5)
    assert most <= module.MAX_WAITING + 25_000
    assert not browser.waiting
    slow.close()


def test_what_waits_for_many_browsers_is_in_memory_once(site: Site) -> None:
    site.ready()
    slow = [Listener(site, receive_buffer=4096) for _ in range(100)]
    eventually(lambda: len(site.stream) == 100, 10)
    browsers = list(site.stream._browsers)
    tracemalloc.start()
    for number in range(1, 381):  # 250 kB, less than may wait for one
        site.add(number)
    eventually(lambda: all(browser.waiting_bytes > 50_000 for browser in browsers), 10)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(site.stream) == 100, "none was dropped"
    print(f"{sum(browser.waiting_bytes for browser in browsers) / 1e6:.0f} MB wait, {used / 1e6:.1f} MB are used")
    assert used < 1_500_000
    for each in slow:
        each.close()


def test_browsers_that_leave_are_forgotten(site: Site) -> None:
    site.ready()
    listeners = [Listener(site) for _ in range(20)]
    eventually(lambda: len(site.stream) == 20, 5)
    for listener in listeners:
        listener.close()
    eventually(lambda: len(site.stream) == 0, 5)


def test_a_browser_too_many_is_asked_to_try_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BROWSERS", 2)
    site.ready()
    listeners = [Listener(site) for _ in range(2)]
    eventually(lambda: site.stream.full, 5)
    status, headers, body = site.ask("/api/stream")
    assert (status, headers["retry-after"]) == (503, "10")
    assert "too many open pages" in json.loads(body)["error"]
    for listener in listeners:
        listener.close()


def test_200_browsers_are_told_everything_by_one_thread(site: Site) -> None:
    site.ready()
    threads = threading.active_count()
    listeners = [Listener(site) for _ in range(200)]
    eventually(lambda: len(site.stream) == 200, 10)
    eventually(lambda: threading.active_count() == threads, 10)
    for number in (1, 2, 3):
        site.add(number, total_events=number)
    for listener in listeners:
        assert [listener.next("window").data["total_events"] for _ in range(3)] == [1, 2, 3]
        listener.close()


def test_head_does_not_listen(site: Site) -> None:
    assert site.ask("/api/stream", "HEAD")[0] == 200
    assert len(site.stream) == 0
