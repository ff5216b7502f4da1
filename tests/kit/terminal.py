"""A program in a terminal: a pseudo-terminal that it controls, with keys to press and a screen to read."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROWS, _COLUMNS = 50, 120
_CTRL_C = b"\x03"


class Terminal:
    """Runs a command as the leader of a session of its own, whose terminal this is."""

    def __init__(self, command: Sequence[str | Path], cwd: Path, environ: Mapping[str, str]) -> None:
        """Start `command` in `cwd`, with exactly the environment given."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._output = b""
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={"TERM": "xterm-256color", **environ},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_the_terminal,
        )
        os.close(slave)

    def press_ctrl_c(self) -> None:
        """Press Ctrl+C: the kernel sends SIGINT to the terminal's foreground processes."""
        os.write(self._master, _CTRL_C)

    def hang_up(self) -> None:
        """Close the terminal: the kernel sends SIGHUP, and further writes fail."""
        os.close(self._master)
        self._master = -1

    def output(self) -> str:
        """Everything that was written to the terminal so far, control sequences included."""
        self._read(0.0)
        return self._output.decode(errors="replace")

    def wait_for(self, text: str, deadline_seconds: float) -> str:
        """Wait until `text` was written; returns everything so far. Raises AssertionError with it otherwise."""
        deadline = time.monotonic() + deadline_seconds
        while True:
            ended = self.process.poll() is not None  # asked first: what it wrote before its end must count
            self._read(0.1)
            if text.encode() in self._output:
                return self.output()
            shown = self._output.decode(errors="replace")
            assert not ended, f"ended with status {self.process.returncode} without {text!r}; shown:\n{shown}"
            assert time.monotonic() < deadline, f"no {text!r} in {deadline_seconds:g} s; shown:\n{shown}"

    def wait_for_exit(self, deadline_seconds: float) -> int:
        """Wait for the program's end and return its exit status. Raises AssertionError if it does not end."""
        deadline = time.monotonic() + deadline_seconds
        while self.process.poll() is None:
            self._read(0.1)  # a full terminal would block it
            shown = self._output.decode(errors="replace")
            assert time.monotonic() < deadline, f"still running after {deadline_seconds:g} s; shown:\n{shown}"
        self._read(0.0)
        return self.process.returncode

    def close(self) -> None:
        """Kill the program if it still runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            self.hang_up()

    def _read(self, seconds: float) -> None:
        """Read what is there, waiting up to so many seconds for the first byte."""
        if self._master < 0:
            time.sleep(seconds)
            return
        while select.select([self._master], [], [], seconds)[0]:
            try:
                read = os.read(self._master, 65536)
            except OSError:
                return  # EIO: every program that had the terminal open has ended
            if not read:
                return
            self._output += read
            seconds = 0.0


def _take_the_terminal() -> None:
    """Run in the child before the program: take the terminal, and restore the signals that a shell would pass on.

    The tests may run with SIGHUP ignored (nohup), and children inherit ignored signals.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
