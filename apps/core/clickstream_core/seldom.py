"""What is worth a line in the log when it happens first, and not again each time that it happens."""

import time
from collections.abc import Callable, Hashable

_MOST_SUBJECTS = 1_000


class Seldom:
    """Says whether it is time to speak of a subject: at first, and when `seconds` have passed since the last time.

    `clock` gives seconds that only rise.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._said_at: dict[Hashable, float] = {}

    def due(self, subject: Hashable) -> bool:
        """Whether to speak now; if so, it counts as spoken of."""
        now = self._clock()
        said_at = self._said_at.get(subject)
        if said_at is not None and now - said_at < self._seconds:
            return False
        if len(self._said_at) >= _MOST_SUBJECTS:
            self._said_at.clear()
        self._said_at[subject] = now
        return True
