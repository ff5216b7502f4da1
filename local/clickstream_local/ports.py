"""TCP ports of this machine: is one free, who holds it, and which one may be taken.

A port that is chosen here lies below the range from which the kernel picks the local end of outgoing connections
(32768 and up on Linux, 49152 and up on macOS). A port from that range would be a trap for a broker that is stopped and
started again: while it is down, a client that keeps on connecting to 127.0.0.1 can be given the very port it dials,
is then connected to itself, and the broker cannot bind any more.
"""

import errno
import random
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.listening import family_of, is_not_ours
from clickstream_local.errors import LocalError

_FIRST, _LAST = 20_000, 32_000
_LISTEN = "0A"
_COMMAND_LENGTH = 100


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port; `command` is its command line, shortened."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid}: {self.command}"


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, on 127.0.0.1 and on all interfaces, and has localhost to itself.

    Browsers look for localhost at ::1 first: another server that listens there would be taken for ours.
    """
    for address in ("127.0.0.1", "0.0.0.0", "::1"):
        try:
            candidate = socket.socket(family_of(address), socket.SOCK_STREAM)
        except OSError as error:
            if is_not_ours(error):
                continue
            raise
        with candidate:
            # Without this a connection that was closed a moment ago (TIME_WAIT) would make the port look taken.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((address, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                if not is_not_ours(error):  # a machine without IPv6
                    raise
    return True


def free_port(count: int = 1) -> int:
    """Find `count` consecutive free ports at random and return the first one.

    Raises LocalError when none is found, which on a machine with free ports does not happen.
    """
    for _ in range(1000):
        first = random.randrange(_FIRST, _LAST - count)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise LocalError(f"found no {count} consecutive free ports between {_FIRST} and {_LAST}: stop some servers")


def holder_of(port: int) -> Holder | None:
    """The process that listens on the port, or None when it cannot be found out (it may be another user's)."""
    if Path("/proc/net/tcp").exists():
        return _holder_from_proc(port)
    return _holder_from_lsof(port)


def describe_holder(port: int) -> str:
    """Who holds the port, for a sentence such as "port 9092 is held by …"."""
    holder = holder_of(port)
    return str(holder) if holder else "a process that this user may not see"


def _holder_from_proc(port: int) -> Holder | None:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(fd.readlink()) in inodes for fd in _descriptors(process)):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return Holder(int(process.name), _shorten(command))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's process, or one that has just ended
    return None


def _descriptors(process: Path) -> list[Path]:
    return [fd for fd in (process / "fd").iterdir() if fd.is_symlink()]


def _holder_from_lsof(port: int) -> Holder | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    found = subprocess.run(
        [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"], capture_output=True, text=True, timeout=10, check=False
    )
    return parse_lsof(found.stdout)


def parse_lsof(output: str) -> Holder | None:
    """Read the first process from the output of `lsof -Fpc`: a line p<pid>, then a line c<command>."""
    pid = next((line[1:] for line in output.splitlines() if line.startswith("p")), None)
    command = next((line[1:] for line in output.splitlines() if line.startswith("c")), "")
    return Holder(int(pid), _shorten(command)) if pid else None


def _shorten(command: str) -> str:
    return command if len(command) <= _COMMAND_LENGTH else command[: _COMMAND_LENGTH - 1] + "…"
