"""CPU and memory use of a process and its children, from Linux' /proc, and a process that reports its progress.

CPU time is user and system time of the whole tree, in ticks of 10 ms, children that have ended included. Peak memory is
the sum of the processes' largest resident sets (VmHWM), for a tree of several an upper bound.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """At `wall` (seconds, time.monotonic): CPU seconds and peak memory in bytes so far."""

    wall: float
    cpu: float
    peak_bytes: int


@dataclass(frozen=True)
class Mark:
    """The use when this many events had been counted."""

    events: int
    usage: Usage


def usage_of(*pids: int) -> Usage:
    """Sum up the process trees. Processes that have ended count only through a parent that lives."""
    children = _children()
    waiting, cpu, peak = list(pids), 0, 0
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, ())
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu += sum(int(field) for field in fields[11:15])
        peak += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    return Usage(time.monotonic(), cpu / _TICKS, peak)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.setdefault(parent, []).append(int(entry.name))
    return found


class Measured:
    """A running process. Its lines `progress <events>` on standard output become marks, everything goes to `log`."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, environ: Mapping[str, str]) -> None:
        self.marks: list[Mark] = []
        self.log = log
        self.started = Usage(time.monotonic(), 0.0, 0)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._output = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._output,
            text=True,
            env={**os.environ, **environ},
            process_group=0,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> "Measured":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def usage(self) -> Usage:
        """Its use so far."""
        return usage_of(self.pid)

    def mark(self, events: int) -> None:
        """Record that it has counted this many events."""
        self.marks.append(Mark(events, self.usage()))

    def kill(self) -> None:
        """Kill it and its children (SIGKILL)."""
        if self.exit_status is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, grace: float = 15.0) -> None:
        """Ask it to stop (SIGTERM), kill it after `grace` seconds."""
        if self.exit_status is None:
            self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reading.join(grace)
        self._output.close()

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("progress "):
                self.mark(int(line.split()[1]))
            else:
                self._output.write(line)
                self._output.flush()
