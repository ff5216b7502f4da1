"""A client of server-sent events that reads when the test says so."""

import json
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    data: dict[str, object]
    id: str


class Listener:
    """Opens an event stream over HTTP/1.0, whose body has no framing; `head` is the head of the answer."""

    def __init__(
        self, port: int, target: str = "/api/stream", last_event_id: str | None = None, receive_buffer: int = 0
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        last = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id is not None else ""
        self.socket.sendall(f"GET {target} HTTP/1.0\r\nHost: x\r\n{last}\r\n".encode())
        self._received = b""
        self.head = self._until(b"\r\n\r\n").decode().lower()

    def next(self, *names: str) -> Event:
        """Return the next event with one of the names; others are skipped."""
        while True:
            lines = dict(
                line.split(": ", 1) for line in self._until(b"\n\n").decode().splitlines() if not line.startswith(":")
            )
            if lines.get("event") in names:
                return Event(lines["event"], json.loads(lines["data"]), lines.get("id", ""))

    def ended(self) -> bool:
        """Read to the end; whether the server has closed the connection."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        """Disconnect."""
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            part = self.socket.recv(1 << 16)
            assert part, "the connection was closed"
            self._received += part
        found, _, self._received = self._received.partition(end)
        return found
