"""TCP ports of this machine: which are free, and which process holds one.

Ports chosen here are below the range of ephemeral ports (32768 and up on Linux, 49152 and up on macOS). A broker that
restarts could lose a port of that range: while it is down, a client that keeps connecting to 127.0.0.1 can get that
very port as its local end. It is then connected to itself, and the broker can no longer bind.
"""

import errno
import random
import shutil
import socket
import subprocess
from pathlib import Path

from clickstream_core.listening import family_of, is_not_ours
from clickstream_local.errors import LocalError

_FIRST, _LAST = 20_000, 32_000
_LISTEN = "0A"
_MAX_COMMAND_LENGTH = 100


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


def free_port(count: int = 1) -> int:
    """Find `count` consecutive free ports at random and return the first one. Raises LocalError if there are none."""
    for _ in range(1000):
        first = random.randrange(_FIRST, _LAST - count)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise LocalError(f"found no {count} consecutive free ports between {_FIRST} and {_LAST}: stop some servers")


def holder_of(port: int) -> str | None:
    """Return pid and command of the process that listens on the port; None if unknown (it may be another user's)."""
    if Path("/proc/net/tcp").exists():
        return _holder_from_proc(port)
    return _holder_from_lsof(port)


def describe_holder(port: int) -> str:
    """Return who holds the port, for a sentence such as "port 9092 is held by …"."""
    return holder_of(port) or "a process that this user can't see"


def _holder_from_proc(port: int) -> str | None:
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
                return _described(process.name, command)
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's process, or one that has just ended
    return None


def _descriptors(process: Path) -> list[Path]:
    return [fd for fd in (process / "fd").iterdir() if fd.is_symlink()]


def _holder_from_lsof(port: int) -> str | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    found = subprocess.run(
        [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"], capture_output=True, text=True, timeout=10, check=False
    )
    return parse_lsof(found.stdout)


def parse_lsof(output: str) -> str | None:
    """Return the first process in the output of `lsof -Fpc`: a line p<pid>, then a line c<command>."""
    pid = next((line[1:] for line in output.splitlines() if line.startswith("p")), None)
    command = next((line[1:] for line in output.splitlines() if line.startswith("c")), "")
    return _described(pid, command) if pid else None


def _described(pid: str, command: str) -> str:
    shown = command if len(command) <= _MAX_COMMAND_LENGTH else command[: _MAX_COMMAND_LENGTH - 1] + "…"
    return f"pid {pid}: {shown}"
