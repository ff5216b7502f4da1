"""What no browser sends, over raw sockets to the real process: it answers or hangs up, and goes on."""

import json
import os
import random
import re
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from kit.collector import Collector, start_collector
from kit.processes import Apps
from kit.topics import create_topics

EVENT = b'{"path":"/"}'
POST = b"POST /ingest HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CUT_OFF_AFTER = 10.0


@pytest.fixture(scope="module")
def collector(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    apps = Apps(tmp_path_factory.mktemp("logs"))
    yield start_collector(apps, create_topics(broker.bootstrap_servers), LIMIT="off")
    apps.close()


def connect(collector: Collector) -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.port), timeout=CUT_OFF_AFTER + 10)


def said(connection: socket.socket) -> bytes:
    """Everything until the collector hangs up."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def told(collector: Collector, sent: bytes, patience: float | None = None) -> bytes:
    """Send, and return everything that is said until the collector hangs up, or says nothing for `patience` seconds."""
    with connect(collector) as connection:
        with suppress(OSError):  # it may hang up before
            connection.sendall(sent)
        connection.settimeout(patience or CUT_OFF_AFTER + 10)
        try:
            return said(connection)
        except TimeoutError:
            return b""


def status(answer: bytes) -> int:
    """The last status in what was said; 0 when nothing was."""
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(statuses[-1]) if statuses else 0


def goes_on(collector: Collector) -> None:
    """Assert that it still does its work, and answers quickly."""
    begun = time.monotonic()
    request = POST + b"Connection: close\r\n" + LENGTH % len(EVENT) + EVENT
    with connect(collector) as connection:
        connection.sendall(request)
        assert status(said(connection)) == 200
    assert time.monotonic() - begun < 5  # a busy machine
    assert "Traceback" not in collector.app.output()


def resident(collector: Collector) -> int:
    """Bytes of memory that the collector holds."""
    return int(Path(f"/proc/{collector.app.child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"hello\r\n\r\n", {400}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), {400}),
        (b"GET / HTTP/9.9\r\n\r\n", {400}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {0, 400}),
        (POST + LENGTH % -1 + EVENT, {400}),
        (POST + b"Content-Length: 12\r\nContent-Length: 13\r\n\r\n" + EVENT, {400}),
        (POST + LENGTH % 10**30, {400}),
        (POST + LENGTH % 2_000_000_000 + EVENT, {413}),
        (POST + LENGTH % 1_000_001 + b"x" * 1_000_001, {413, 0}),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n" + EVENT, {400}),
        (POST + b"Content-Encoding: gzip\r\nConnection: close\r\n" + LENGTH % 4 + b"\x1f\x8b\x08\x00", {400}),
        (CHUNKED + b"ZZ\r\n", {400}),
        (CHUNKED + b"c;" + b"a" * 50_000 + b"\r\n" + EVENT + b"\r\n0\r\n\r\n", {400}),
        (CHUNKED + b"c\r\n" + EVENT + b"\r\n0\r\n" + b"A: b\r\n" * 5000 + b"\r\n", {400}),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 2_000_000 + b"\r\n\r\n", {431, 0}),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 5000 + b"\r\n", {431, 0}),
        (b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {414, 431, 0}),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: a\0b\r\n\r\n", {400}),
        (b"GET /\xed\xa0\x80 HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" + CLOSE, {404}),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + CLOSE, {404}),
        (b"GET /%ff%00%2e%2e/ingest HTTP/1.1\r\nHost: a\r\n" + CLOSE, {404}),
    ],
    ids=lambda each: repr(each[:60]) if isinstance(each, bytes) else "",
)
def test_broken_http_is_answered_or_hung_up_on(collector: Collector, sent: bytes, expected: set[int]) -> None:
    assert status(told(collector, sent)) in expected
    goes_on(collector)


def test_bytes_that_are_no_text_in_headers_break_nothing(collector: Collector) -> None:
    every = bytes(range(128, 256))
    names = (b"User-Agent", b"Referer", b"X-Forwarded-For", b"CF-IPCountry", b"Cookie", b"DNT")
    headers = b"".join(name + b": " + every + b"\r\n" for name in names)
    with connect(collector) as connection:
        connection.sendall(POST + headers + b"Connection: close\r\n" + LENGTH % len(EVENT) + EVENT)
        assert status(said(connection)) == 200


def test_requests_one_after_the_other_without_waiting_are_all_answered(collector: Collector) -> None:
    one = POST + LENGTH % len(EVENT) + EVENT
    with connect(collector) as connection:
        connection.sendall(one * 50 + b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = said(connection)
    assert (answer.count(b"HTTP/1.1 200 "), status(answer)) == (50, 404)


def test_a_body_without_an_end_is_refused_when_it_is_too_large(collector: Collector) -> None:
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with connect(collector) as connection:
        connection.sendall(CHUNKED)
        sent = 0
        try:
            for _ in range(1000):
                connection.sendall(part)
                sent += len(part)
        except OSError:
            pass
    assert sent < 30_000_000
    goes_on(collector)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /ingest HTTP/1.1\r\nHo",
        POST + LENGTH % 100 + b"{",
        CHUNKED + b"1\r\n{\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
    ],
    ids=["nothing", "head", "body", "chunks", "h2"],
)
def test_who_says_no_more_is_cut_off(collector: Collector, begun: bytes) -> None:
    started = time.monotonic()
    with connect(collector) as connection:
        connection.sendall(begun)
        answer = said(connection)
    assert status(answer) in (0, 400, 408)
    assert time.monotonic() - started < CUT_OFF_AFTER + 5


def test_a_thousand_who_drip_are_cut_off_and_delay_no_other_client(collector: Collector) -> None:
    goes_on(collector)
    before = resident(collector)
    connections = [connect(collector) for _ in range(1000)]
    for number, connection in enumerate(connections):
        connection.sendall(POST[: number % len(POST)] if number % 2 else CHUNKED + b"1\r\n[\r\n")
    started = time.monotonic()
    while time.monotonic() - started < CUT_OFF_AFTER + 5:
        goes_on(collector)
        for connection in connections[::20]:
            try:
                connection.sendall(b"1\r\n[\r\n")
            except OSError:
                continue
        time.sleep(0.5)
    assert resident(collector) - before < 60_000_000
    for connection in connections:
        connection.settimeout(5)
        assert status(said(connection)) in (0, 400, 408)
        connection.close()


def test_a_thousand_heads_without_an_end_take_little_memory(collector: Collector) -> None:
    goes_on(collector)
    before = resident(collector)
    connections = [connect(collector) for _ in range(1000)]
    for connection in connections:
        with suppress(OSError):  # it hangs up on a head that is too large
            connection.sendall(POST + b"Cookie: " + b"c" * 60_000)
    goes_on(collector)
    assert resident(collector) - before < 50_000_000
    for connection in connections:
        connection.close()


def test_one_address_can_not_fill_the_dead_letters(broker: Broker, tmp_path: Path) -> None:
    apps = Apps(tmp_path)
    collector = start_collector(apps, create_topics(broker.bootstrap_servers))
    begun = time.monotonic()
    statuses = [collector.ingest(b"x" * 1_000_000) for _ in range(200)]
    seconds = time.monotonic() - begun
    apps.close()
    assert set(statuses) == {200, 429}
    assert statuses.count(200) * 64_000 < 2_000_000 + 200_000 * seconds + 64_000


def test_bombs_and_giants_at_once_keep_memory_flat(collector: Collector) -> None:
    goes_on(collector)
    deflate = zlib.compressobj(wbits=31)
    bomb = deflate.compress(b"[" + b" " * 300_000_000) + deflate.flush()
    bodies = [
        (b"Content-Encoding: gzip\r\n", bomb),
        (b"", b"[" * 999_999),
        (b"", b"[" + b"{}," * 330_000 + b"{}]"),
        (b"", b'{"path":"/","a":' + b"9" * 900_000 + b"}"),
        (b"", b'{"path":"/","a":[' + b"[]," * 320_000 + b"[]]}"),
        (b"", json.dumps([{"path": "/", "user_id": "x" * 8000}] * 100).encode()),
        (b"", b"\xff" * 999_999),
    ]

    def send(number: int) -> int:
        headers, body = bodies[number % len(bodies)]
        with connect(collector) as connection:
            connection.sendall(POST + b"Connection: close\r\n" + headers + LENGTH % len(body) + body)
            return status(said(connection))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(70)))
        before = resident(collector)
        statuses = set(pool.map(send, range(140)))
    assert statuses <= {200, 413, 503}
    assert resident(collector) - before < 100_000_000
    goes_on(collector)


def test_random_changes_of_a_request_bring_no_error_of_ours(collector: Collector) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    origin = (
        POST
        + b"Content-Type: text/plain\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.7\r\n"
        + LENGTH % len(EVENT)
        + EVENT
    )
    requests = []
    for _ in range(1000):
        changed = bytearray(origin)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        requests.append(bytes(changed))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda request: told(collector, request, patience=0.3), requests))
    errors = [request for request, answer in zip(requests, answers, strict=True) if status(answer) in range(500, 600)]
    assert errors == []
    assert len([answer for answer in answers if status(answer) == 200]) > 50
    goes_on(collector)
