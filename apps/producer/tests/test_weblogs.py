"""Web server logs, the second kind of record."""

import json
from ipaddress import ip_address

from clickstream_producer.weblogs import WebServer, encode_web_log

START = 1_769_077_619_987


def test_a_web_log_has_the_documented_fields() -> None:
    server = WebServer(seed=1)

    for _ in range(100):
        log = json.loads(encode_web_log(server.next_log(START)))
        assert list(log) == ["ip", "timestamp", "method", "url", "status_code", "user_agent"]
        assert ip_address(log["ip"]).is_global
        assert log["timestamp"] == "2026-01-22T10:26:59"
        assert log["url"].startswith(("http://", "https://"))
        assert 200 <= log["status_code"] < 600
        assert log["user_agent"]


def test_the_same_seed_gives_the_same_logs() -> None:
    first, second = WebServer(seed=7, share=1), WebServer(seed=7, share=1)

    assert [first.next_log(START) for _ in range(50)] == [second.next_log(START) for _ in range(50)]


def test_processes_with_one_seed_write_different_logs() -> None:
    first, second = WebServer(seed=7, share=0), WebServer(seed=7, share=1)

    assert [first.next_log(START) for _ in range(50)] != [second.next_log(START) for _ in range(50)]
