"""POST /ingest and its preflight, through the application."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from prometheus_client import REGISTRY

from clickstream_collector import bodies, pipeline
from clickstream_core.timestamps import format_milliseconds
from kit.in_process import BROWSER, DEAD_LETTERS, InProcess, Reply, in_process

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SHOP = "https://shop.example.com"


@pytest.fixture
def site() -> Iterator[InProcess]:
    with in_process() as site:
        yield site


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"clickstream_collector_{name}", labels) or 0


def test_the_documented_request_gets_the_documented_answer(site: InProcess) -> None:
    event = {"path": "/test", "tag": "A", "id": None, "timestamp": "2025-05-21T12:00:00Z"}
    reply = site.post(event, content_type="application/json")
    assert (reply.status, reply.json()) == (200, {"status": "ok", "received": event})
    (stored,) = site.producer.events()
    assert (stored["page_url"], stored["tag"], stored["event_type"]) == ("/test", "A", "click")


def test_an_array_is_answered_by_counts(site: InProcess) -> None:
    reply = site.post([{"path": "/a"}, {"tag": "A"}, 5, {"path": "/b"}, {"path": "/c", "consent": False}])
    answer = reply.json()
    assert (answer["status"], answer["accepted"]) == ("ok", 2)
    assert [each["index"] for each in answer["rejected"]] == [1, 2, 4]
    assert answer["rejected"][2]["error"] == "consent"
    assert [event["page_url"] for event in site.producer.events()] == ["/a", "/b"]


def test_an_empty_array_is_fine(site: InProcess) -> None:
    assert site.post([]).json() == {"status": "ok", "accepted": 0, "rejected": []}


def test_an_array_may_be_as_long_as_allowed(site: InProcess) -> None:
    assert site.post([{"path": "/"}] * 10_000).json()["accepted"] == 10_000
    assert len(site.producer.events()) == 10_000
    assert site.post([{"path": "/"}] * 10_001).status == 413


@pytest.mark.parametrize("body", [b"path=/test", b"[1,", b"\xff\xfe", b'{"path":"/","duration_ms":NaN}', b"[" * 64_000])
def test_what_is_not_json_goes_to_the_dead_letters_unchanged(site: InProcess, body: bytes) -> None:
    before = count("dead_letters_total", reason="not_json")
    reply = site.post(body)
    assert (reply.status, reply.json()) == (200, {"status": "ok", "received": {"raw": body.decode(errors="replace")}})
    (letter,) = site.producer.written(DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (letter.value, letter.key) == (body, None)
    assert (headers["reason"], headers["app"]) == (b"not_json", b"clickstream-collector")
    assert headers["error"].startswith(b"not JSON: ")
    assert site.producer.events() == []
    assert count("dead_letters_total", reason="not_json") == before + 1


def test_an_object_that_is_no_event_is_refused_and_not_stored(site: InProcess) -> None:
    before = count("events_rejected_total", reason="missing_field")
    reply = site.post({"tag": "A"})
    assert (reply.status, reply.error()) == (400, "page_url (or path) is missing, and event_type too")
    assert site.producer.batches == []
    assert count("events_rejected_total", reason="missing_field") == before + 1


@pytest.mark.parametrize("value", [5, "text", True, None])
def test_other_json_is_no_event_either(site: InProcess, value: object) -> None:
    assert site.post(value).status == 400


def test_what_browsers_send_without_a_preflight_is_taken(site: InProcess) -> None:
    assert site.post({"path": "/"}, content_type="text/plain;charset=UTF-8").status == 200
    assert site.post({"path": "/"}, content_type="application/x-www-form-urlencoded").status == 415


def test_gzip_is_taken(site: InProcess) -> None:
    body = gzip.compress(b'{"path":"/zipped"}')
    reply = site.post(body, content_encoding="gzip")
    assert reply.json()["received"] == {"path": "/zipped"}
    assert site.post(b"{}", content_encoding="gzip").status == 400


def test_sizes_are_bounded(site: InProcess) -> None:
    assert site.post({"path": "/", "other": "x" * 63_900}).status == 200
    assert site.post({"path": "/", "other": "x" * 64_000}).status == 413
    assert site.post(b" " * 1_000_001).status == 413
    answer = site.post([{"path": "/", "other": "x" * 64_000}, {"path": "/"}]).json()
    assert (answer["accepted"], answer["rejected"][0]["index"]) == (1, 0)
    assert "64000 are allowed" in answer["rejected"][0]["error"]
    assert site.post({"path": "x" * 8192}).status == 200
    assert site.post({"path": "x" * 8193}).status == 400


def test_half_a_surrogate_pair_is_the_replacement_character(site: InProcess) -> None:
    reply = site.post(b'{"path":"/\\ud800","tag":"\\ud83d\\ude00"}')
    assert reply.json() == {"status": "ok", "received": {"path": "/\ufffd", "tag": "😀"}}
    # JSON.stringify("Great 😀".slice(0, 7))
    batch = b'[{"event_id":"1","path":"/good1"},{"event_id":"2","path":"/s","tag":"Great \\ud83d"},{"path":"/good2"}]'
    assert site.post(batch).json() == {"status": "ok", "accepted": 3, "rejected": []}
    assert [event.get("tag") for event in site.producer.events()] == ["😀", None, "Great \ufffd", None]
    assert site.producer.written(DEAD_LETTERS) == []


@pytest.mark.parametrize(
    "element",
    [
        *(b'{"path":"/","duration_ms":NaN}', b'{"path":"/\xff"}', b'{"path":"/\\x41"}', b"1e999", b"{'path':'/'}"),
        *(b'{"path":"/","x":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"path":}', b'{"path":"/"} {}'),
    ],
    ids=lambda element: repr(element[:30]),
)
def test_an_element_that_is_not_json_is_rejected_and_kept_by_itself(site: InProcess, element: bytes) -> None:
    before = count("dead_letters_total", reason="not_json")
    answer = site.post(b'[{"path":"/a"},' + element + b',{"path":"/b"},{"tag":"no page"}]').json()
    assert (answer["status"], answer["accepted"]) == ("ok", 2)
    assert [each["index"] for each in answer["rejected"]] == [1, 3]
    assert answer["rejected"][0]["error"].startswith("not JSON: ")
    assert [event["page_url"] for event in site.producer.events()] == ["/a", "/b"]
    (letter,) = site.producer.written(DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (letter.value, headers["reason"]) == (element, b"not_json")
    assert headers["error"].startswith(b"not JSON: ")
    assert headers["error"].endswith(b" (element 1 of an array of 4)")
    assert count("dead_letters_total", reason="not_json") == before + 1


def test_an_array_of_nothing_but_elements_that_are_not_json_is_kept_too(site: InProcess) -> None:
    answer = site.post(b"[NaN,tru]").json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (0, [0, 1])
    assert sorted(letter.value for letter in site.producer.written(DEAD_LETTERS)) == [b"NaN", b"tru"]
    site.disconnect()
    assert site.post(b"[NaN,tru]").status == 503


def test_of_visitors_who_object_no_element_is_kept_either(site: InProcess) -> None:
    assert site.post(b"[NaN]", dnt="1").json()["rejected"] == [{"index": 0, "error": "consent"}]
    assert site.producer.batches == []


def test_a_byte_order_mark_is_no_part_of_the_body(site: InProcess) -> None:
    for body in (b'\xef\xbb\xbf{"path":"/"}', gzip.compress(b'\xef\xbb\xbf{"path":"/"} ')):
        encoding = {} if body[:1] == b"\xef" else {"content_encoding": "gzip"}
        assert site.post(body, **encoding).json() == {"status": "ok", "received": {"path": "/"}}
    assert site.post(b'\xef\xbb\xbf[{"path":"/"}]').json()["accepted"] == 1


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(site: InProcess, body: bytes) -> None:
    reply = site.post(body)
    assert (reply.status, reply.error()[:17]) == (400, "the body is empty")
    assert site.post(gzip.compress(body), content_encoding="gzip").status == 400
    assert site.producer.batches == []


def lines(site: InProcess, *headers: tuple[str, str], body: bytes = b'{"path":"/"}') -> Reply:
    """POST with these header lines, in this order."""
    return site.ask_raw("POST", "/ingest", [body], [(name.encode(), value.encode()) for name, value in headers])


def test_header_lines_of_one_name_are_one_list(site: InProcess) -> None:
    for addresses in (["203.0.113.7", "10.0.0.2"], ["203.0.113.7, 10.0.0.2"], ["1.1.1.1", "203.0.113.7,10.0.0.2"]):
        assert lines(site, *(("x-forwarded-for", each) for each in addresses)).status == 200
    assert lines(site, ("x-forwarded-for", "10.0.0.2"), ("x-forwarded-for", "198.51.100.1")).status == 200
    users = [event["user_id"] for event in site.producer.events()]
    assert (len(set(users[:3])), len(set(users))) == (1, 2)


def test_repeated_lines_of_one_value_are_one(site: InProcess) -> None:
    for name, value in (("content-type", "text/plain"), ("origin", SHOP), ("cf-ipcountry", "KR"), ("user-agent", "a")):
        assert lines(site, (name, value), (name, value)).status == 200
    assert lines(site, ("cf-ipcountry", "XX"), ("cf-ipcountry", "KR")).status == 200
    assert [event["country"] for event in site.producer.events()] == ["ZZ", "ZZ", "KR", "ZZ", "KR"]
    with in_process(ALLOWED_ORIGINS=SHOP) as shop:
        assert lines(shop, ("origin", SHOP), ("origin", SHOP)).headers["access-control-allow-origin"] == SHOP
        assert lines(shop, ("origin", SHOP), ("origin", "https://evil.example")).status == 403


def test_an_objection_counts_in_whichever_line_it_stands(site: InProcess) -> None:
    for name in ("dnt", "sec-gpc"):
        for values in ("01", "10", "11"):
            assert lines(site, *((name, value) for value in values)).status == 204
    assert site.producer.batches == []


def test_different_types_and_several_encodings_are_refused(site: InProcess) -> None:
    assert lines(site, ("content-type", "text/plain"), ("content-type", "text/html")).status == 415
    gzipped = gzip.compress(b'{"path":"/"}')
    twice = (("content-encoding", "gzip"), ("content-encoding", "gzip"))
    assert lines(site, *twice, body=gzipped).status == 415
    assert lines(site, ("content-encoding", "identity"), twice[0], body=gzipped).status == 200


IPV4_FORMS = ("203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107", "203.0.113.7:50312", "[::ffff:203.0.113.7]:1")
IPV6_FORMS = ("2001:db8::1", "2001:DB8:0:0::1", "[2001:db8::1]:50312", "2001:0db8:0000:0000:0000:0000:0000:0001")


@pytest.mark.parametrize("forms", [IPV4_FORMS, IPV6_FORMS])
def test_a_visitor_has_one_id_and_one_limit_however_the_address_is_written(forms: tuple[str, ...]) -> None:
    with in_process(LIMIT="0.4") as site:
        statuses = [site.post({"path": "/"}, x_forwarded_for=form).status for form in forms * 2]
        site.peer = forms[1]
        assert (statuses[:4], statuses[-1]) == ([200] * 4, 429)
        assert site.post({"path": "/"}).status == 429
        assert len({event["user_id"] for event in site.producer.events()}) == 1


def test_visitors_whose_ipv4_addresses_come_as_ipv6_have_a_limit_each() -> None:
    with in_process(LIMIT="0.01") as site:
        for number in range(5):
            site.peer = f"::ffff:203.0.113.{number}"
            assert [site.post({"path": "/"}).status for _ in range(3)][::2] == [200, 429]
            site.peer = "::ffff:10.0.0.1"
            assert site.post({"path": "/"}, x_forwarded_for=f"::ffff:198.51.100.{number}").status == 200


def test_a_slow_body_is_told_so(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    async def received(*_: Any) -> bytes:
        raise TimeoutError

    monkeypatch.setattr(bodies, "_received", received)
    reply = site.post({"path": "/"})
    assert (reply.status, reply.headers["connection"]) == (408, "close")


def test_the_request_fills_what_the_event_does_not_say(site: InProcess) -> None:
    headers = {
        "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1",
        "cf_ipcountry": "KR",
        "referer": "https://shop.example.com/cart",
        "x_forwarded_for": "203.0.113.7",
    }
    site.post({"event_type": "click"}, "/ingest?key=shop", **headers)
    (event,) = site.producer.events()
    assert (event["page_url"], event["device_type"], event["country"]) == ("/cart", "mobile", "KR")
    assert event["site_key"] == "shop"
    assert len(event["user_id"]) == len(event["session_id"]) == 32


def test_address_and_user_agent_are_neither_stored_nor_logged(
    site: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    address, agent = "203.0.113.77", "Mozilla/5.0 PeculiarBrowser/1.0"
    caplog.set_level("DEBUG")
    for body in (b'{"path":"/"}', b'[{"path":"/"}]', b"no json", b"{}"):
        site.post(body, user_agent=agent, x_forwarded_for=address)
    site.disconnect()
    site.post({"path": "/"}, user_agent=agent, x_forwarded_for=address)
    stored = b"".join(
        written.value + repr(written.headers).encode() for s in site.producer.batches for written in s.records
    )
    for private in (address, "PeculiarBrowser"):
        assert private not in caplog.text
        assert private.encode() not in stored


def test_visitors_without_ids_are_told_apart_by_address_and_user_agent(site: InProcess) -> None:
    for forwarded_for, agent in (
        ("203.0.113.7", "a"),
        ("203.0.113.7", "a"),
        ("203.0.113.8", "a"),
        ("203.0.113.7", "b"),
    ):
        site.post({"path": "/"}, x_forwarded_for=forwarded_for, user_agent=agent)
    users = [event["user_id"] for event in site.producer.events()]
    assert users[0] == users[1]
    assert len(set(users)) == 3


def test_the_skew_of_the_clients_clock_is_taken_off_all_events(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_729_938_645_123
    monkeypatch.setattr(site._pipeline, "_now", lambda: now)
    an_hour = 3_600_000
    at, sent_at = (format_milliseconds(now + an_hour - earlier) for earlier in (2000, 0))
    assert site.post([{"path": "/", "timestamp": at}], f"/ingest?sent_at={sent_at}").status == 200
    (event,) = site.producer.events()
    assert event["timestamp"] == format_milliseconds(now - 2000)
    assert event["client_timestamp"] == at
    assert event["received_at"] == format_milliseconds(now)


def test_an_offset_whose_plus_was_not_escaped_is_understood(site: InProcess) -> None:
    for offset in ("+09:00", "%2B09:00", "+00:00", "%2000:00", "Z"):
        assert site.post({"path": "/"}, f"/ingest?sent_at=2024-10-26T10:30:45.1{offset}").status == 200
    reply = site.post({"path": "/"}, "/ingest?sent_at=now")
    assert (reply.status, reply.error().split(" ")[0]) == (400, "sent_at")


@pytest.mark.parametrize("header", ["dnt", "sec_gpc"])
@pytest.mark.parametrize("body", [b'{"path":"/"}', b"not json"])
def test_nothing_is_stored_of_visitors_who_object(site: InProcess, header: str, body: bytes) -> None:
    reply = site.post(body, **{header: "1"})
    assert (reply.status, reply.body) == (204, b"")
    assert site.producer.batches == []


def test_nothing_is_stored_without_consent(site: InProcess) -> None:
    assert site.post({"path": "/", "consent": False}).status == 204
    assert site.post([{"path": "/"}], dnt="1").json()["rejected"] == [{"index": 0, "error": "consent"}]
    assert site.post({"path": "/", "consent": True}).status == 200
    assert len(site.producer.events()) == 1


def test_crawlers_are_left_out_unless_asked_for(site: InProcess) -> None:
    assert site.post({"path": "/"}, user_agent=GOOGLEBOT).status == 204
    assert site.post([{"path": "/"}], user_agent=GOOGLEBOT).json()["rejected"] == [{"index": 0, "error": "bot"}]
    assert site.producer.batches == []
    with in_process(BOTS="include") as inclusive:
        assert inclusive.post({"path": "/"}, user_agent=GOOGLEBOT).status == 200
        assert inclusive.producer.events()[0]["bot"] is True


def test_a_retry_is_stored_once(site: InProcess) -> None:
    event = {"event_id": "e1", "path": "/", "timestamp": "2024-10-26T10:30:45.123Z"}
    assert [site.post(event).status for _ in range(3)] == [200, 200, 200]
    assert len(site.producer.events()) == 1


def test_ids_that_are_not_unique_cost_no_clicks(site: InProcess) -> None:
    events = [{"event_id": "1", "path": f"/{number}"} for number in range(5)]
    events += [{"event_id": "1", "path": "/", "tag": tag} for tag in "ab"]
    assert site.post(events).json()["accepted"] == 7
    assert len(site.producer.events()) == 7


def test_a_site_key_may_be_needed() -> None:
    with in_process(SITE_KEYS="shop,blog") as site:
        assert site.post({"path": "/"}, "/ingest?key=blog").status == 200
        for query in ("", "?key=", "?key=other", "?key=%ff", "?key=" + "k" * 9000):
            reply = site.post({"path": "/"}, f"/ingest{query}")
            assert reply.status == 403
            assert len(reply.error()) < 300
    with in_process() as site:
        assert site.post({"path": "/"}, "/ingest?key=" + "k" * 65).status == 400


def test_visitors_have_a_limit_each() -> None:
    with in_process(LIMIT="1") as site:
        statuses = [site.post({"path": "/"}, x_forwarded_for="203.0.113.7").status for _ in range(12)]
        assert statuses[:10] == [200] * 10
        reply = site.post({"path": "/"}, x_forwarded_for="203.0.113.7", origin=SHOP)
        assert (reply.status, statuses[-1]) == (429, 429)
        assert 1 <= int(reply.headers["retry-after"]) <= 3
        assert reply.headers["access-control-allow-origin"] == "*"
        assert site.post({"path": "/"}, x_forwarded_for="203.0.113.8").status == 200


def test_a_sites_limit_is_for_all_its_visitors() -> None:
    with in_process(LIMIT="100", SITE_LIMIT="1") as site:
        first = [{"path": "/"}] * 60
        assert site.post(first, "/ingest?key=a", x_forwarded_for="203.0.113.1").status == 200
        assert site.post({"path": "/"}, "/ingest?key=a", x_forwarded_for="203.0.113.2").status == 429
        assert site.post({"path": "/"}, "/ingest?key=b", x_forwarded_for="203.0.113.2").status == 200


def test_kafka_away_is_told_at_once(site: InProcess) -> None:
    site.disconnect()
    for body in (b'{"path":"/"}', b'[{"path":"/"}]', b"no json"):
        reply = site.post(body, origin=SHOP)
        assert (reply.status, reply.headers["retry-after"], reply.error()) == (503, "2", "Kafka is away")
        assert reply.headers["access-control-allow-origin"] == "*"
    site.connect()
    assert site.post({"path": "/"}).status == 200


def test_kafka_that_does_not_answer_is_told_in_time(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pipeline.MAX_WAIT_S < 2
    monkeypatch.setattr(pipeline, "MAX_WAIT_S", 0.05)
    site.producer.answers = False
    reply = site.post({"path": "/", "event_id": "e1"})
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    site.producer.acknowledge()
    site.producer.answers = True
    assert site.post({"path": "/", "event_id": "e1"}).status == 200
    assert len(site.producer.events()) == 1


def test_a_batch_that_kafka_refuses_is_told(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    site.producer.refusal = TopicAuthorizationFailedError()
    reply = site.post({"path": "/"})
    assert reply.status == 503
    assert "Kafka refuses records for topic clickstream-events" in reply.error()


def test_an_event_that_is_too_large_for_the_topic_is_left_out_by_itself(
    site: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site._delivery, "_failed", site.connect)
    site.producer.max_message_bytes = 20_000
    large = {"path": "/large", "tag": "x" * 8000, "id": "y" * 8000, "user_id": "z" * 8000}
    before = count("events_rejected_total", reason="too_large")
    answer = site.post([{"path": "/a"}, {"tag": "A"}, large, {"path": "/b"}]).json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (2, [1, 2])
    assert "larger than Kafka's topic takes" in answer["rejected"][1]["error"]
    assert sorted(event["page_url"] for event in site.producer.events()) == ["/a", "/b"]
    assert [site.post(body).status for body in (large, b"x" * 30_000)] == [413, 413]
    assert count("events_rejected_total", reason="too_large") == before + 3


def test_a_mistake_of_ours_says_nothing_to_the_client(
    site: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(candidate: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(pipeline, "read_event", broken)
    reply = site.post({"path": "/"})
    assert (reply.status, "secret" in reply.error()) == (500, False)
    assert "ZeroDivisionError: secret" in caplog.text


def test_browsers_ask_before(site: InProcess) -> None:
    reply = site.ask("OPTIONS", "/ingest", origin=SHOP, access_control_request_method="POST")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-methods"] == "POST"
    assert "content-type" in reply.headers["access-control-allow-headers"]
    assert "content-encoding" in reply.headers["access-control-allow-headers"]
    assert reply.headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize("allowed", ["*", SHOP])
def test_headers_that_libraries_add_to_every_request_of_a_page_are_allowed(allowed: str) -> None:
    added = "content-type,traceparent,tracestate,baggage,x-datadog-trace-id,sentry-trace,b3,x-b3-traceid,newrelic"
    with in_process(ALLOWED_ORIGINS=allowed) as site:
        asked = [(b"origin", SHOP.encode()), (b"access-control-request-method", b"POST")]
        name = b"access-control-request-headers"
        for asking in ([(name, added.encode())], [(name, each.encode()) for each in added.split(",")]):
            reply = site.ask_raw("OPTIONS", "/ingest", [b""], asked + asking)
            names = reply.headers["access-control-allow-headers"].split(", ")
            assert {*added.split(","), "content-encoding"} == set(names)
            assert len(names) == len(set(names))
        assert (
            site.post({"path": "/"}, origin=SHOP, traceparent="00-0af7651916cd43dd8448eb211c80319c-00-01").status == 200
        )


def test_what_is_no_header_name_is_not_repeated_in_an_answer(site: InProcess) -> None:
    reply = site.ask(
        "OPTIONS", "/ingest", origin=SHOP, access_control_request_headers="a b,c\r\nset-cookie: x,\xe9,x-y"
    )
    assert reply.headers["access-control-allow-headers"] == "content-type, content-encoding, x-y"
    reply = site.ask("OPTIONS", "/ingest", origin=SHOP, access_control_request_headers="x," * 30_000)
    assert len(reply.headers["access-control-allow-headers"]) < 3000


def test_pages_of_other_origins_may_not_send() -> None:
    with in_process(ALLOWED_ORIGINS=SHOP) as site:
        for reply in (
            site.post({"path": "/"}, origin="https://evil.example"),
            site.ask("OPTIONS", "/ingest", origin="https://evil.example"),
        ):
            assert reply.status == 403
            assert "access-control-allow-origin" not in reply.headers
        assert site.post({"tag": "A"}, origin=SHOP).headers["access-control-allow-origin"] == SHOP
        assert site.post({"path": "/"}).status == 200
        assert len(site.producer.events()) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_told_which_there_are(site: InProcess, method: str) -> None:
    reply = site.ask(method, "/ingest")
    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


def test_requests_are_counted_by_endpoint_and_status(site: InProcess) -> None:
    before = count("requests_total", endpoint="ingest", status="200")
    site.post({"path": "/"})
    assert count("requests_total", endpoint="ingest", status="200") == before + 1


def test_memory_does_not_grow_with_what_is_sent(site: InProcess) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def send(number: int) -> None:
        long = f"{number}" + "x" * 8000
        site.post({"path": "/", "user_id": long, "referrer": "https://a/" + long * 5}, referer="https://b/" + long * 7)
        site.producer.batches.clear()

    for number in range(100):
        send(number)
    before = resident()
    for number in range(100, 1500):
        send(number)
    assert resident() - before < 20_000_000


def test_all_browsers_headers_together(site: InProcess) -> None:
    body = json.dumps({"path": "/", "user_id": "u"}).encode()
    headers = {"content_type": "text/plain;charset=UTF-8", "origin": SHOP, "referer": f"{SHOP}/", "user_agent": BROWSER}
    assert site.post(body, "/ingest?key=shop&sent_at=2024-10-26T10:30:45.123Z", **headers).status == 200
