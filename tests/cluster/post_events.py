"""Runs in a pod: visitors post to the collector, one event a request, until a line comes on standard input.

The argument is the collector's address, host:port. Each visitor has an address of its own (the pod's is private, so its
X-Forwarded-For is believed) and one connection, which it opens again when it breaks, and posts an event with the same
event_id until it gets 200, as the snippet does. Printed at the end, as JSON: how often which answer came, and each
acknowledged event_id with the number of posts that it took.
"""

import http.client
import json
import sys
import threading
import time
import uuid
from collections import Counter

VISITORS = 8
# Between two events of a visitor, well below the limit of a visitor.
PAUSE = 0.05
HEADERS = {"Content-Type": "text/plain", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"}


class Visitor(threading.Thread):
    """Clicks until `left` is set, and then no longer than its last event takes."""

    def __init__(self, address: str, number: int, left: threading.Event) -> None:
        super().__init__()
        self.answers: Counter[str] = Counter()
        self.acknowledged: dict[str, int] = {}
        self._address = address
        self._headers = HEADERS | {"X-Forwarded-For": f"198.51.100.{number}"}
        self._left = left
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self._left.wait(PAUSE):
            event_id, posts = str(uuid.uuid4()), 1
            event = {"event_id": event_id, "path": "/load", "tag": "button", "timestamp": now()}
            while (answer := self._post(json.dumps(event).encode())) != "200":
                self.answers[answer] += 1
                posts += 1
                time.sleep(0.1)
            self.answers[answer] += 1
            self.acknowledged[event_id] = posts

    def _post(self, body: bytes) -> str:
        """The status, or what broke."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._address, timeout=10)
            self._connection.request("POST", "/ingest", body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return type(error).__name__
        return str(answer.status)


def now() -> str:
    """The time as a browser writes it."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"


def main() -> None:
    """Post, and print what came of it."""
    left = threading.Event()
    visitors = [Visitor(sys.argv[1], number, left) for number in range(1, VISITORS + 1)]
    for visitor in visitors:
        visitor.start()
    sys.stdin.readline()
    left.set()
    for visitor in visitors:
        visitor.join()
    answers = sum((visitor.answers for visitor in visitors), Counter[str]())
    acknowledged = {event_id: posts for visitor in visitors for event_id, posts in visitor.acknowledged.items()}
    print(json.dumps({"answers": answers, "acknowledged": acknowledged}))


main()
