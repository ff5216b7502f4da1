"""A program that is started again when it ends, with a growing pause and a line that says so.

Nothing here waits: `tend` looks once and returns, so that the launcher can watch everything else and stop at any time.
"""

import time
from collections.abc import Callable

from clickstream_local.children import Child
from clickstream_local.errors import NotStarted

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_STEADY_S = 60.0
"""After so long without an end the next pause is short again."""
_READY_TIMEOUT_S = 120.0
_STOP_GRACE_S = 15.0
_POLL_S = 0.1
Clock = Callable[[], float]


class Kept:
    """A program that `launch` starts and that is useful once `ready` says so; `say` prints a line for the user.

    One that `may_end` is left alone once it has ended with exit status 0.
    """

    def __init__(
        self,
        launch: Callable[[], Child],
        ready: Callable[[], bool],
        say: Callable[[str], None],
        clock: Clock = time.monotonic,
        *,
        may_end: bool = False,
    ) -> None:
        self._launch = launch
        self._ready = ready
        self._say = say
        self._clock = clock
        self._may_end = may_end
        self._child: Child | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._next_start = 0.0
        self._started_at = 0.0
        self._serves = False
        self._arrived = "ready"

    @property
    def serves(self) -> bool:
        """Whether it was ready and has not ended since."""
        return self._serves

    def begin(self) -> None:
        """Start it for the first time without waiting until it is ready: `tend` says when it is."""
        self._start()

    def start(self) -> None:
        """Start it for the first time and wait until it is ready. Raises NotStarted with the end of its log."""
        child = self._start()
        deadline = self._clock() + _READY_TIMEOUT_S
        while self._clock() < deadline and child.running:
            if self._ready():
                self._serves = True
                return
            time.sleep(_POLL_S)
        child.kill()
        raise NotStarted(
            f"{child.name} did not start ({child.describe_end()}). The end of {child.log}:\n{child.last_lines()}"
        )

    def tend(self) -> None:
        """Start it again if it has ended and the pause is over; say when it serves again."""
        child, now = self._child, self._clock()
        if child is None:
            if now >= self._next_start:
                self._start()
        elif not child.running:
            if self._may_end and child.exit_status == 0:
                return
            if now - self._started_at > _STEADY_S:
                self._pause_s = _FIRST_PAUSE_S
            self._say(f"✗ {child.name} ended ({child.describe_end()}, log {child.log}): starting it again")
            self._child, self._serves, self._arrived = None, False, "back"
            self._next_start = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        elif not self._serves and self._ready():
            self._serves = True
            self._say(f"✓ {child.name} is {self._arrived} after {now - self._started_at:.0f} s")

    def stop(self) -> None:
        """Stop it. Does nothing if it does not run."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE_S)

    def _start(self) -> Child:
        self._started_at = self._clock()
        self._child = self._launch()
        return self._child
