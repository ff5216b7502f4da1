"""A program started by this one: the broker and the apps.

A child gets its own process group, so Ctrl+C reaches only the launcher, which then stops everything in order. The child
that uses the terminal (the dashboard) is started with `foreground=True`: it stays in our process group and gets Ctrl+C
itself, and only its standard error goes to its log.

If the launcher is killed (kill -9), it can't stop its children. On Linux the kernel then sends each of them SIGTERM
(prctl PR_SET_PDEATHSIG), and they stop themselves. The kernel ties this to the thread that started the child, so it is
requested only if the main thread starts it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A running program; `name` is its name in messages, `log` the file with its output."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
        foreground: bool = False,
        directory: Path | None = None,
    ) -> None:
        """Start `command`; its output is appended to `log`. Raises OSError if the command can't be run.

        `directory` is its working directory (None: ours). A program started in the folder of its files can use relative
        paths, which need no escapes in its configuration, wherever the folder is.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        started: subprocess.Popen[bytes] | None = None
        try:
            with log.open("ab") as output, _signals_blocked() as mask:
                started = self._process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=None if foreground else subprocess.DEVNULL,
                    stdout=None if foreground else output,
                    stderr=output,
                    env=None if environ is None else dict(environ),
                    cwd=directory,
                    process_group=None if foreground else 0,
                    preexec_fn=_between_fork_and_exec(mask, os.getpid()),
                )
        except BaseException:
            if started is not None:  # a signal came meanwhile, and nobody else knows this program
                self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; then its exit status, negative when a signal ended it (-9 for kill -9)."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        return self.exit_status is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, e.g. SIGSTOP and SIGCONT for a pause. Does nothing if the program has already ended."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Wait up to `seconds` for its end; returns the exit status, None if it still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float) -> int:
        """Ask it to stop (SIGTERM), kill it after `grace` seconds; returns the exit status."""
        if self.running:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a paused process could not react
        status = self.wait(grace)
        return self.kill() if status is None else status

    def kill(self) -> int:
        """Kill it (SIGKILL); returns the exit status."""
        self._process.kill()
        return self._process.wait()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> str:
        """Return "" once `ready` returns True. If it ends before or takes too long: kill it, return how it ended."""
        deadline = time.monotonic() + timeout_s
        try:
            while self.running and time.monotonic() < deadline:
                if ready():
                    return ""
                time.sleep(0.05)
        except BaseException:
            self.kill()
            raise
        end = self.describe_end()
        self.kill()
        return end

    def describe_end(self) -> str:
        """How it ended, e.g. "exit status 1" or "killed by SIGKILL"; "running" while it has not."""
        status = self.exit_status
        if status is None:
            return "running"
        if status >= 0:
            return f"exit status {status}"
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"

    def last_lines(self, count: int = 20) -> str:
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=count)).rstrip("\n")


@contextmanager
def _signals_blocked() -> Iterator[set[int]]:
    """Block the signals that stop the launcher; yields the previous mask.

    Their handler raises an exception. During a fork that exception would be lost, and would leave a lock of the logging
    module held forever.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield {int(number) for number in mask}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _between_fork_and_exec(mask: set[int], parent: int) -> Callable[[], None]:
    """Return what the child runs between fork and exec: unblock the signals, and arrange to end with us."""
    libc = _LIBC if threading.current_thread() is threading.main_thread() else None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # we were killed before the call
            os._exit(1)

    return prepare
