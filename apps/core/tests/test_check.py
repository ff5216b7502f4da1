"""`helm test`: ready, and numbers that rise on one replica."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any

import pytest

from clickstream_core.check import check

EVENTS = "events_total"
WATERMARK = "watermark_timestamp_seconds"


@dataclass
class Replicas:
    """Two replicas behind one address, which answer in turn; `metrics` is a function of the turn."""

    address: str = ""
    ready: int = 200
    metrics: Callable[[int], str] = lambda turn: ""


@pytest.fixture
def replicas() -> Iterator[Replicas]:
    served = Replicas()
    turns = count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/readyz":
                status, text = served.ready, "ok" if served.ready == 200 else "waiting for Kafka"
            else:
                turn = next(turns)
                status, text = 200, f"# HELP\nprocess_start_time_seconds {turn % 2}\n{served.metrics(turn)}\n"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"{text}\n".encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield served
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("metric", "metrics"),
    [
        (EVENTS, lambda turn: f"{EVENTS} {100 * turn}.0\nevents_created 1.0"),
        (WATERMARK, lambda turn: f'{WATERMARK}{{partition="0"}} {turn}.0\n{WATERMARK}{{partition="3"}} {turn}.5'),
    ],
)
def test_it_passes_when_every_series_rises(
    replicas: Replicas, metric: str, metrics: Callable[[int], str], capsys: pytest.CaptureFixture[str]
) -> None:
    replicas.metrics = metrics
    check(replicas.address, metric, patience_s=30, pause_s=0.01)
    assert f"{metric} rises" in capsys.readouterr().out


@pytest.mark.parametrize(
    "metrics",
    [
        # The replicas' numbers differ, but neither's rises.
        lambda turn: f"{EVENTS} {turn % 2}.0",
        lambda turn: f'{EVENTS}{{partition="0"}} {turn}.0\n{EVENTS}{{partition="3"}} 1.0',
        lambda turn: "",
    ],
)
def test_it_fails_when_numbers_stand_still(replicas: Replicas, metrics: Callable[[int], str]) -> None:
    replicas.metrics = metrics
    with pytest.raises(SystemExit, match=f"FAILED: {EVENTS} did not rise within 0.3 s"):
        check(replicas.address, EVENTS, patience_s=0.3, pause_s=0.01)


def test_it_fails_with_the_apps_own_reason_when_it_is_not_ready(replicas: Replicas) -> None:
    replicas.ready = 503
    with pytest.raises(SystemExit, match="FAILED: .*/readyz: 503 waiting for Kafka"):
        check(replicas.address, EVENTS, patience_s=0.3, pause_s=0.01)
