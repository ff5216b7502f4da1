"""A stand-in for the Lambda Runtime API, from which AWS's runtime client gets events and to which it sends the answers.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Like Lambda it delivers one event at a time, and
`next` stays open until there is one.
"""

import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

from kit.processes import App, Apps
from kit.skipping import skip

_VERSION = "/2018-06-01/runtime"
_DEADLINE_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """The function's answer, and after how many seconds it came."""

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float


class FunctionFailed(Exception):
    """The runtime reported an error instead of an answer; the message is what it sent."""


class RuntimeApi:
    """Holds events for one runtime."""

    def __init__(self) -> None:
        self.address = ""
        self.init_errors: queue.Queue[dict[str, Any]] = queue.Queue()
        self._waiting = threading.Semaphore(0)
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, str, dict[str, Any]]] = queue.Queue()

    def wait_until_idle(self) -> None:
        """Wait until the runtime has asked for the next event; from then on Lambda may freeze the process."""
        if not self._waiting.acquire(timeout=_DEADLINE_SECONDS):
            raise AssertionError(f"the runtime did not ask for an event within {_DEADLINE_SECONDS:g} s")
        self._waiting.release()

    def invoke(self, event: dict[str, Any]) -> Answer:
        """Have the function answer an event. Raises FunctionFailed."""
        self.wait_until_idle()
        return self.take_answer(self.offer(event), time.monotonic())

    def offer(self, event: dict[str, Any]) -> str:
        """Offer the event to the next request, which may be waiting already; return its id."""
        request_id = str(uuid.uuid4())
        self._events.put((request_id, json.dumps(event).encode()))
        return request_id

    def take_answer(self, request_id: str, begun: float) -> Answer:
        """Wait for the answer. Raises FunctionFailed."""
        answered, kind, payload = self._answers.get(timeout=_DEADLINE_SECONDS)
        assert answered == request_id, f"{answered} was answered, {request_id} was asked"
        if kind != "response":
            raise FunctionFailed(json.dumps(payload))
        body = payload["body"]
        if not payload["isBase64Encoded"] and payload["headers"]["content-type"] == "application/json" and body:
            body = json.loads(body)
        return Answer(payload["statusCode"], body, payload["headers"], time.monotonic() - begun)

    def next_event(self) -> tuple[str, bytes] | None:
        """For the server: the next event; None if there will be no more."""
        self._waiting.release()
        try:
            return self._events.get()
        finally:
            self._waiting.acquire()

    def report(self, path: str, payload: dict[str, Any]) -> None:
        """For the server: what the runtime posted."""
        if path == f"{_VERSION}/init/error":
            self.init_errors.put(payload)
            return
        request_id, kind = path.removeprefix(f"{_VERSION}/invocation/").split("/")
        self._answers.put((request_id, kind, payload))

    def close(self) -> None:
        """End a waiting request for the next event without one."""
        self._events.put(None)


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    """A Runtime API on a free port of this machine."""
    api = RuntimeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            event = api.next_event()
            if event is None:
                self.close_connection = True
                return
            request_id, body = event
            deadline = int((time.time() + _DEADLINE_SECONDS) * 1000)
            about = {"Lambda-Runtime-Aws-Request-Id": request_id, "Lambda-Runtime-Deadline-Ms": deadline}
            self.answer(200, body, about)

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.report(self.path, payload)
            self.answer(202, b'{"status":"OK"}', {})

        def answer(self, status: int, body: bytes, headers: dict[str, Any]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(body)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A runtime that was killed while it waited reads no answer."""

    with Server(("127.0.0.1", 0), Handler) as server:
        api.address = f"127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield api
        finally:
            api.close()
            server.shutdown()
            serving.join()


def start_function(apps: Apps, api: RuntimeApi, handler: str, environ: dict[str, str], **settings: str) -> App:
    """Start an execution environment: AWS's runtime client with this handler, as the image's entry point does."""
    if find_spec("awslambdaric") is None:
        skip("awslambdaric is not installed; there are wheels of it for Linux")
    lambdas = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "collector",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/collector",
        "AWS_LAMBDA_LOG_STREAM_NAME": "tests",
    }
    return apps.start("awslambdaric", handler, environ={**lambdas, **environ}, **settings)
