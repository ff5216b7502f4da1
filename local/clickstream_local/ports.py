"""TCP ports of this machine: which are free, and which process holds one.

Ports chosen here are below the range of ephemeral ports (32768 and up on Linux, 49152 and up on macOS). A broker that
restarts could lose a port of that range: while it is down, a client that keeps connecting to 127.0.0.1 can get that
very port as its local end. It is then connected to itself, and the broker can no longer bind.
"""

import errno
import random
import socket
from collections import deque
from contextlib import suppress

import psutil

from clickstream_core.listening import family_of, is_not_ours
from clickstream_local.errors import LocalError

drawn_from = range(22_000, 30_000)
"""Where `free_port` looks. Programs that run side by side can each set a part of it."""

_MAX_COMMAND_LENGTH = 100
_recent: deque[int] = deque(maxlen=500)
"""What this process was given lately: its servers may not listen yet, or be down for a restart."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, on 127.0.0.1, on all interfaces and on ::1.

    Browsers try ::1 first for localhost: they would mistake another server there for ours.
    """
    for address in ("127.0.0.1", "0.0.0.0", "::1"):
        try:
            candidate = socket.socket(family_of(address), socket.SOCK_STREAM)
        except OSError as error:
            if is_not_ours(error):
                continue
            raise
        with candidate:
            # Without this a recently closed connection (TIME_WAIT) would make the port look taken.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((address, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                if not is_not_ours(error):  # a machine without IPv6
                    raise
    return True


def free_port(count: int = 1, among: range | None = None) -> int:
    """Find `count` consecutive free ports at random and return the first one. Raises LocalError if there are none.

    They are in `among`, which is `drawn_from` unless given. A port that was returned lately is not returned again.
    """
    among = among or drawn_from
    for _ in range(1000):
        first = random.randrange(among.start, among.stop - count + 1)
        found = range(first, first + count)
        if all(port not in _recent and is_free(port) for port in found):
            _recent.extend(found)
            return first
    raise LocalError(
        f"found no {count} consecutive free ports between {among.start} and {among.stop}: stop some servers"
    )


def holder_of(port: int) -> str | None:
    """Return pid and command of the process that listens on the port; None if unknown (it may be another user's)."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # another user's process, or one that has just ended
            if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections()):
                command = " ".join(process.cmdline())
                shown = command if len(command) <= _MAX_COMMAND_LENGTH else command[: _MAX_COMMAND_LENGTH - 1] + "…"
                return f"pid {process.pid}: {shown}"
    return None


def describe_holder(port: int) -> str:
    """Return who holds the port, for a sentence such as "port 9092 is held by …"."""
    return holder_of(port) or "a process that this user can't see"
