"""What hostile clients do to a collector and to other visitors.

First visitors alone, one event each, at a steady rate; then the same visitors with hostile requests of many kinds, as
fast as they are answered, from a process of their own: fuzzed and cut bodies, wrong encodings, gzip bombs, deep and
huge JSON, oversized bodies and heads, bodies that never come, broken HTTP. Reported are the answers by status, the
visitors' latencies in both, and the collector's memory. The limits are on, as they are by default. The collector has a
core of its own.
"""

import argparse
import asyncio
import gzip
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.queues import Queue
from statistics import quantiles

from clickstream_local.ports import free_port
from cluster import running_cluster
from measure import Measured
from table import command, machine
from workspace import KEPT, PYTHON

_CORE = 0
_VISITORS_RATE = 100
_QUIET_S = 15.0
_ANSWER_TIMEOUT_S = 20.0
_HELD = 200
_TURNS = 4
_EVENT = {"event_type": "page_view", "page_url": "/products/laptop", "user_id": "u", "session_id": "s"}

Generator = random.Random


def _request(body: bytes, *headers: str, line: str = "POST /ingest HTTP/1.1", length: bool = True) -> bytes:
    head = [line, "Host: localhost", *headers, *([f"Content-Length: {len(body)}"] if length else []), "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def _event(number: int) -> bytes:
    return json.dumps({**_EVENT, "event_id": f"visitor-{number}"}).encode()


_JSON = "Content-Type: application/json"


def _fuzzed(random: Generator) -> bytes:
    body = bytearray(_event(random.randrange(10**9)))
    for _ in range(random.randrange(1, 20)):
        body[random.randrange(len(body))] = random.randrange(256)
    return _request(bytes(body), _JSON)


def _noise(random: Generator) -> bytes:
    return _request(random.randbytes(random.randrange(5000)), _JSON)


def _bomb(random: Generator) -> bytes:
    return _request(_BOMB, _JSON, "Content-Encoding: gzip")


def _half_gzip(random: Generator) -> bytes:
    return _request(gzip.compress(_event(1))[: random.randrange(1, 60)], _JSON, "Content-Encoding: gzip")


def _strange_encoding(random: Generator) -> bytes:
    return _request(_event(1), _JSON, f"Content-Encoding: {random.choice(('br', 'deflate', 'x' * 999, 'gzip, gzip'))}")


def _strange_type(random: Generator) -> bytes:
    kinds = ("text/html", "application/x-www-form-urlencoded", "\xff\xfe", "text/plain; charset=euc-kr", "a" * 3000)
    return _request(_event(1), f"Content-Type: {random.choice(kinds)}")


def _deep(random: Generator) -> bytes:
    return _request(b"[" * 100_000 + b"]" * 100_000, _JSON)


def _many_elements(random: Generator) -> bytes:
    return _request(b"[" + b",".join([b"{}"] * random.choice((100, 9_000, 300_000))) + b"]", _JSON)


def _big_number(random: Generator) -> bytes:
    return _request(b'{"page_url":"/","duration_ms":' + b"9" * 50_000 + b"}", _JSON)


def _surrogates(random: Generator) -> bytes:
    return _request(rb'{"page_url":"\ud800","user_id":"\udfff"}', _JSON)


def _large_event(random: Generator) -> bytes:
    return _request(json.dumps({**_EVENT, "page_url": "x" * random.randrange(9_000, 200_000)}).encode(), _JSON)


def _oversized(random: Generator) -> bytes:
    return _request(b" " * 1_500_000, _JSON)


def _claimed(random: Generator) -> bytes:
    return _request(
        b"", _JSON, f"Content-Length: {random.choice(('9' * 30, '-1', '1e9', '5, 6', '99999999'))}", length=False
    )


def _chunked(random: Generator) -> bytes:
    return _request(b"zz\r\nnot a chunk\r\n", _JSON, "Transfer-Encoding: chunked", length=False)


def _many_headers(random: Generator) -> bytes:
    return _request(_event(1), _JSON, *(f"X-{number}: {'y' * 200}" for number in range(random.choice((50, 90, 2000)))))


def _long_address(random: Generator) -> bytes:
    return _request(b"", line=f"GET /pixel.gif?{'a=b&' * random.choice((10, 900, 9000))} HTTP/1.1")


def _other_method(random: Generator) -> bytes:
    methods = ("PUT", "DELETE", "TRACE", "CONNECT", "PATCH", "BREW", "HEAD", "OPTIONS")
    return _request(b"", line=f"{random.choice(methods)} {random.choice(('/ingest', '/pixel.gif', '/', '*'))} HTTP/1.1")


def _broken_http(random: Generator) -> bytes:
    return random.choice(
        (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /ingest HTTP/9.9\r\n\r\n", random.randbytes(300) + b"\r\n\r\n")
    )


def _agents(random: Generator) -> bytes:
    agent = "".join(chr(random.randrange(33, 127)) for _ in range(random.choice((20, 500, 4000))))
    return _request(
        _event(random.randrange(10**9)), _JSON, f"User-Agent: Mozilla/5.0 (Linux; Android 1{agent}) {agent}"
    )


def _forwarded(random: Generator) -> bytes:
    hops = ", ".join(f"{random.randrange(999)}.{random.randrange(999)}.1.1" for _ in range(random.choice((3, 500))))
    return _request(_event(random.randrange(10**9)), _JSON, f"X-Forwarded-For: {hops}")


def _never_ending(number: int) -> bytes:
    address = f"X-Forwarded-For: 203.0.113.{number}"
    return _request(b"{", _JSON, "Content-Length: 5000", address, length=False)


_BOMB = gzip.compress(b"0" * 50_000_000)
_KINDS: tuple[Callable[[Generator], bytes], ...] = (
    *(_fuzzed, _noise, _bomb, _half_gzip, _strange_encoding, _strange_type, _deep, _many_elements, _big_number),
    *(_surrogates, _large_event, _oversized, _claimed, _chunked, _many_headers, _long_address, _other_method),
    *(_broken_http, _agents, _forwarded),
)


async def _answer(port: int, request: bytes, patience: float = _ANSWER_TIMEOUT_S) -> str:
    """Send the bytes on a connection of their own; return the answer's status, or how the connection ended."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return "no answer"
    except OSError:
        return "closed"
    return line.split()[1].decode() if line.startswith(b"HTTP/1") else "closed"


async def _visit(
    port: int, seconds: float, stopped: asyncio.Event | None, latencies: list[float], seen: Counter[str]
) -> None:
    """Send a visitor's event at a steady rate, for so long or until stopped, whether or not the last was answered."""
    began, number = time.monotonic(), 0
    running: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        address = f"X-Forwarded-For: 198.51.100.{number % 200}"
        seen[await _answer(port, _request(_event(number), _JSON, address))] += 1
        latencies.append(time.monotonic() - due)

    while (stopped is None and time.monotonic() - began < seconds) or (stopped is not None and not stopped.is_set()):
        due = began + number / _VISITORS_RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(one(number, due))
        running.add(task)
        task.add_done_callback(running.discard)
        number += 1
    await asyncio.gather(*running)


async def _attack(port: int, count: int, clients: int) -> Counter[str]:
    """Send so many hostile requests, and hold `_HELD` connections open beside them whose body never comes."""
    left, seen = iter(range(count)), Counter[str]()

    async def attacker(seed: int) -> None:
        random = Generator(seed)
        for _ in left:
            kind = random.choice(_KINDS)
            seen[await _answer(port, kind(random))] += 1

    async def holder(number: int) -> None:
        while True:
            seen[await _answer(port, _never_ending(number))] += 1

    holders = [asyncio.create_task(holder(number)) for number in range(_HELD)]
    await asyncio.gather(*(attacker(seed) for seed in range(clients)))
    for task in holders:
        task.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    return seen


def _attack_in_turns(port: int, count: int, clients: int, told: "Queue[Counter[str]]") -> None:
    """The attackers' process: a quarter of the requests at a time, in what it leaves over of its core."""
    os.nice(10)
    for _ in range(_TURNS):
        told.put(asyncio.run(_attack(port, count // _TURNS, clients)))


async def _measure(process: Measured, port: int, count: int, clients: int) -> bool:
    quiet: list[float] = []
    quiet_seen: Counter[str] = Counter()
    await _visit(port, _QUIET_S, None, quiet, quiet_seen)
    rest = process.usage().peak_bytes
    beside: list[float] = []
    beside_seen: Counter[str] = Counter()
    hostile: Counter[str] = Counter()
    told: Queue[Counter[str]] = get_context("spawn").Queue()
    attackers = get_context("spawn").Process(target=_attack_in_turns, args=(port, count, clients, told))
    attackers.start()
    peaks: list[int] = []
    stopped, began = asyncio.Event(), time.monotonic()
    visiting = asyncio.create_task(_visit(port, 0, stopped, beside, beside_seen))
    for _ in range(_TURNS):
        hostile += await asyncio.to_thread(told.get, timeout=1800)
        peaks.append(process.usage().peak_bytes)
    stopped.set()
    await visiting
    seconds = time.monotonic() - began
    attackers.join()
    print(f"{sum(hostile.values()):,} hostile requests by {clients + _HELD} clients in {seconds:.0f} s")
    print(f"hostile answers: {dict(sorted(hostile.items()))}")
    print(f"visitors, {_VISITORS_RATE}/s: {dict(quiet_seen)} alone, {dict(beside_seen)} beside them")
    for name, latencies in (("alone", quiet), ("beside", beside)):
        cuts = quantiles(latencies, n=100)
        print(
            f"  {name}: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, largest {max(latencies) * 1e3:.0f} ms"
        )
    print(
        f"peak memory: {rest >> 20} MiB before; {', '.join(str(peak >> 20) for peak in peaks)} MiB after each quarter"
    )
    wrong = [status for status in {**hostile, **beside_seen} if status.startswith("5") and status != "503"]
    return process.exit_status is None and not wrong and set(beside_seen) == {"200"}


def main() -> int:
    """Measure and print; the exit status is 1 if the collector broke a promise."""
    parser = argparse.ArgumentParser(description="A collector under hostile requests.")
    parser.add_argument("--requests", type=int, default=100_000, help="hostile requests (default 100000)")
    parser.add_argument("--clients", type=int, default=8, help="that send them at the same time (default 8)")
    chosen = parser.parse_args()
    with running_cluster() as cluster:
        pipeline, port = cluster.pipeline(), free_port()
        environ = {
            **cluster.environ(pipeline),
            "HTTP_PORT": str(port),
            "ADMIN_PORT": "0",
        }
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {_CORE} or {_CORE})
        os.sched_setaffinity(cluster.broker.child.pid, os.sched_getaffinity(0))
        pinned = ("taskset", "-c", str(_CORE), PYTHON.parent / "clickstream-collector")
        with Measured(pinned, log=KEPT / "hostile.log", environ=environ) as process:
            deadline = time.monotonic() + 30
            while asyncio.run(_answer(port, _request(_event(-1), _JSON))) != "200":
                if time.monotonic() > deadline:
                    raise SystemExit(f"it does not take events:\n{process.last_lines()}")
                time.sleep(0.2)
            print(f"{command()}\n{machine()}")
            kept = asyncio.run(_measure(process, port, chosen.requests, chosen.clients))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
