"""A stand-in for OpenSearch: its _bulk answers with the statuses that a test wants, as a real one does under load."""

import json
import threading
import urllib.request
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class BulkStandIn(AbstractContextManager["BulkStandIn"]):
    """Documents by id. For a with statement.

    `status` other than 200 refuses each request as a whole; `item_statuses` are those of the first documents.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.refused = 0
        self.status = 200
        self.item_statuses: list[int] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(*stand_in._bulk(body.splitlines()))

            def _answer(self, status: int, answer: Any) -> None:
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def post(self, bulk: str) -> None:
        """Send a bulk to it."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_bulk", bulk.encode())
        with urllib.request.urlopen(request, timeout=10):
            pass

    def _bulk(self, lines: list[str]) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"error": {"type": "security_exception", "reason": "no"}, "status": self.status}
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            identity = json.loads(action)["index"]["_id"]
            item = {"_index": "web_logs", "_id": identity, "status": 201}
            if self.item_statuses:
                self.refused += 1
                error = {"type": "rejected_execution_exception", "reason": "busy"}
                item = {**item, "status": self.item_statuses.pop(0), "error": error}
            else:
                self.documents[identity] = json.loads(document)
            items.append({"index": item})
        return 200, {"errors": any("error" in each["index"] for each in items), "items": items}
