"""A real Prometheus with its tools, and its API."""

import json
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clickstream_local.ports import free_port
from clickstream_local.prometheus import Prometheus
from kit.skipping import skip

_PACKAGES = {"prometheus": "prometheus", "promtool": "prometheus", "amtool": "prometheus-alertmanager"}


def monitoring_tool(name: str) -> Path:
    """prometheus, promtool or amtool; skips the test if it is not installed."""
    found = shutil.which(name)
    if found is None:
        skip(f"there is no {name}; Debian's package {_PACKAGES[name]} has it")
    return Path(found)


def run_tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of the tools to its end; its output is one text in `stdout`."""
    command = [monitoring_tool(name), *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False
    )


@contextmanager
def running_prometheus(
    directory: Path, targets: Mapping[str, str], *, rules: str = "groups: []\n", honored: tuple[str, ...] = ()
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the targets (host:port by job) every second while the `with` block runs."""
    prometheus = Prometheus(
        directory / "prometheus",
        executable=monitoring_tool("prometheus"),
        port=free_port(),
        targets=targets,
        rules=rules,
        log=directory / "prometheus.log",
        interval="1s",
        honored=honored,
    )
    try:
        prometheus.start()
        yield prometheus
    finally:
        prometheus.stop()


def ask(prometheus: Prometheus, path: str, **parameters: str) -> Any:
    """The `data` of an answer of Prometheus' API. Raises AssertionError with its error message."""
    url = f"{prometheus.url.replace('localhost', '127.0.0.1')}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            raise AssertionError(f"{parameters}: {refusal.read().decode()}") from refusal


def query(prometheus: Prometheus, expression: str) -> list[dict[str, Any]]:
    """The samples of an expression now, each with `metric` (its labels) and `value`."""
    found: list[dict[str, Any]] = ask(prometheus, "query", query=expression)["result"]
    return found


def firing(prometheus: Prometheus) -> set[str]:
    """The names of the firing alerts."""
    return {each["labels"]["alertname"] for each in ask(prometheus, "alerts")["alerts"] if each["state"] == "firing"}


@contextmanager
def serving(text: "str | Served") -> Iterator[str]:
    """Serve a text, or a `Served` that can change, as /metrics while the `with` block runs; yields host:port."""
    served = text if isinstance(text, Served) else Served(text)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Served:
    """A text that is served and may change."""

    def __init__(self, text: str) -> None:
        self.text = text
