"""A program started by this one: the broker and the apps.

A child gets its own process group, so that Ctrl+C reaches only the launcher, which then stops everything in order. A
child that has the terminal (the dashboard) is started with `foreground=True`: it stays in our process group and gets
Ctrl+C by itself, and only its standard error goes to its log.

When the launcher itself is killed (kill -9), nobody is left to stop the children. On Linux the kernel then sends each
of them SIGTERM (prctl PR_SET_PDEATHSIG), on which they end by themselves. The kernel ties that to the thread that
started the child, so it is asked for only when the main thread starts it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A running program. `name` is what messages call it, `log` the file that takes its output."""

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
        """Start `command`; its output is appended to `log`. Raises OSError when the command cannot be run.

        `directory` is its working directory (None: ours). A program that is started in the folder of its files can be
        given relative names for them, which need no escapes in its configuration, wherever the folder is.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, _signals_held() as mask:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=None if foreground else subprocess.DEVNULL,
                stdout=None if foreground else output,
                stderr=output,
                env=None if environ is None else dict(environ),
                cwd=directory,
                process_group=None if foreground else 0,
                preexec_fn=_between_fork_and_exec(mask, os.getpid()),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; then its exit status, negative when a signal ended it (-9 for kill -9)."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.exit_status is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, e.g. SIGSTOP and SIGCONT for a pause. Nothing happens when it has already ended."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end at most so many seconds; the exit status, or None when it still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float) -> int:
        """Ask it to end (SIGTERM), kill it after `grace` seconds; the exit status."""
        if self.running:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a paused process could not answer
        status = self.wait(grace)
        return self.kill() if status is None else status

    def kill(self) -> int:
        """End it at once (SIGKILL); the exit status."""
        self._process.kill()
        return self._process.wait()

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
        """The end of its log."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=count)).rstrip("\n")


@contextmanager
def _signals_held() -> Iterator[set[int]]:
    """Hold back the signals that end the launcher; yields the mask as it was.

    Their handler raises an exception, and in the midst of a fork that would be lost and would leave a lock of the
    logging module taken for ever.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield {int(number) for number in mask}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _between_fork_and_exec(mask: set[int], parent: int) -> Callable[[], None]:
    """What the child does between fork and exec: take the signals again, and arrange to end when we do."""
    libc = _LIBC if threading.current_thread() is threading.main_thread() else None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it was killed before the kernel knew
            os._exit(1)

    return prepare
