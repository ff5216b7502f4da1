"""Connections that send a request's head and then a byte of its body now and then, as slow or hostile clients do."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_HEAD = b"POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"


@contextmanager
def open_slow_connections(port: int, count: int) -> Iterator[int]:
    """Hold `count` connections open, each with a body that has begun; yield how many could be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 500)), hard))
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                connection.sendall(_HEAD)
            except OSError:
                break
            opened.append(connection)
        yield len(opened)
    finally:
        for connection in opened:
            connection.close()
