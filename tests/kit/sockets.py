"""The TCP connections of this machine's processes, from Linux' /proc."""

from dataclasses import dataclass
from pathlib import Path

_STATES = {"01": "established", "0A": "listening"}


@dataclass(frozen=True)
class Connection:
    """One end of a connection; `state` is established, listening or empty for all others."""

    local_port: int
    remote_port: int
    state: str
    inode: str


def connections_of(pid: int) -> set[Connection]:
    """The TCP sockets that a process has open, whatever the state of their other ends."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, _, number = str(descriptor.readlink()).partition(":")
        except FileNotFoundError:  # just closed
            continue
        if kind == "socket":
            inodes.add(number.strip("[]"))
    return {each for each in _connections(pid) if each.inode in inodes}


def _connections(pid: int) -> list[Connection]:
    found = []
    for version in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{version}").read_text().splitlines()[1:]:
            fields = line.split()
            local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
            found.append(Connection(local, remote, _STATES.get(fields[3], ""), fields[9]))
    return found
