"""What was delivered lately, so that an event that is sent again is not stored again.

A browser sends again what it got no answer for: the page was left, the network broke, the answer was 503 because Kafka
was slow. Kafka may have the event all the same. An event is known by its id and its content, because ids that are not
unique are a client's mistake that must not cost its clicks. Remembered is a hash, in two generations: when the younger
one is full or old, it becomes the older one, whose memory ends then. Python's string hash has a secret of its own in
each process, so nobody can choose ids that collide.
"""

from collections.abc import Callable

GENERATION = 250_000
"""Events a generation holds, some 25 MB of memory for both."""

GENERATION_SECONDS = 600.0


class Delivered:
    """The fingerprints of at least the last `GENERATION` events, unless they are older than ten minutes."""

    def __init__(self, clock: Callable[[], float], generation: int = GENERATION) -> None:
        self._clock = clock
        self._generation = generation
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._since = clock()

    def add(self, fingerprint: int) -> None:
        """Remember an event."""
        if len(self._young) >= self._generation or self._clock() - self._since >= GENERATION_SECONDS:
            self._old, self._young = self._young, set()
            self._since = self._clock()
        self._young.add(fingerprint)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._young or fingerprint in self._old
