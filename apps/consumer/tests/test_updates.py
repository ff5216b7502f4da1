"""The page's event stream: what is sent, and to which browsers."""

import json

import pytest

from clickstream_web import event_stream
from kit.event_listener import Listener
from kit.page import Site
from kit.poll import eventually


def listen(site: Site, query: str = "", last_event_id: str | None = None) -> Listener:
    return Listener(site.port, f"/api/stream{query}", last_event_id)


def test_a_window_is_sent_when_it_closes(site: Site) -> None:
    site.fill(2)
    site.ready()
    listener = listen(site)
    assert listener.head.startswith("http/1.1 200 ")
    assert "content-type: text/event-stream; charset=utf-8\r\n" in listener.head
    assert listener.next("status").data == {"condition": "ready"}
    site.add(1, total_events=77)
    event = listener.next("window")
    assert (event.data["total_events"], event.data["window_end"]) == (77, "2026-09-21T14:14:00Z")
    assert event.id == site.history.position() == "0:1,1:1,2:1"
    listener.close()


def test_a_revision_is_sent_and_a_repeated_result_is_not(site: Site) -> None:
    site.fill(1)
    site.ready()
    listener = listen(site)
    listener.next("status")
    site.add(0, revision=1)
    site.add(0, revision=1)
    site.add(0, revision=0)
    site.add(1)
    assert listener.next("window").data["revision"] == 1
    assert listener.next("window").data["window_end"] == "2026-09-21T14:14:00Z"
    listener.close()


def test_a_browser_that_reconnects_gets_what_it_missed(site: Site) -> None:
    site.fill(6)
    site.ready()
    position = site.history.position()
    for number in (1, 2, 3, 4):
        site.add(number)
    for listener in (listen(site, f"?after={position}"), listen(site, "?after=0:0", last_event_id=position)):
        missed = [listener.next("window") for _ in range(4)]
        assert {event.data["window_end"] for event in missed} == {
            f"2026-09-21T14:{end}Z" for end in ("14:00", "14:30", "15:00", "15:30")
        }
        assert missed[-1].id == site.history.position()
        listener.close()


def test_a_browser_that_missed_much_is_sent_reload(site: Site) -> None:
    site.fill(1000)
    site.ready()
    for query, last in (("?after=", None), ("?after=0:0", None), ("", "0:999999"), ("", "not ours")):
        listener = listen(site, query, last)
        event = listener.next("reload", "window")
        assert (event.name, event.id) == ("reload", site.history.position())
        listener.close()


def test_while_the_history_is_read_only_the_status_is_sent(site: Site) -> None:
    listener = listen(site, "?after=0:0")
    assert listener.next("status").data == {"condition": "connecting"}
    site.fill(3)
    site.updates.status("joining")
    sent = [listener.next("status", "window").data for _ in range(3)]
    assert {"condition": "joining"} in sent
    assert all("condition" in each for each in sent)
    site.ready()
    ends = {listener.next("window").data["window_end"] for _ in range(3)}
    assert ends == {f"2026-09-21T14:{end}Z" for end in ("12:30", "13:00", "13:30")}
    site.add(1)
    assert listener.next("window").data["window_end"] == "2026-09-21T14:14:00Z"
    listener.close()


def test_an_outage_of_kafka_and_its_end_are_sent(site: Site) -> None:
    site.ready()
    listener = listen(site)
    assert listener.next("status").data == {"condition": "ready"}
    site.updates.status("away")
    eventually(lambda: listener.next("status").data == {"condition": "away"}, 5)
    site.updates.status("ready")
    eventually(lambda: listener.next("status").data == {"condition": "ready"}, 5)
    listener.close()


def test_the_status_is_repeated_as_a_sign_of_life(site: Site) -> None:
    site.ready()
    listener = listen(site)
    assert [listener.next("status").data for _ in range(3)] == [{"condition": "ready"}] * 3
    listener.close()


def test_a_browser_too_many_is_asked_to_try_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_BROWSERS", 2)
    site.ready()
    listeners = [listen(site) for _ in range(2)]
    eventually(lambda: site.stream.full, 5)
    status, headers, body = site.ask("/api/stream")
    assert (status, headers["retry-after"]) == (503, "10")
    assert "too many open pages" in json.loads(body)["error"]
    for listener in listeners:
        listener.close()


def test_head_does_not_listen(site: Site) -> None:
    assert site.ask("/api/stream", "HEAD")[0] == 200
    assert len(site.stream) == 0
