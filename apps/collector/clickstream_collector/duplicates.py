"""Recently delivered events, so that an event that is sent again is not stored again.

A browser sends an event again when it got no answer: the page was left, the network broke, or the answer was 503
because Kafka was slow. Kafka may have the event nevertheless. An event is identified by its id and its content, because
a client with ids that are not unique must not lose its clicks. A hash of it is kept in two generations: when the
younger one is full or old it becomes the older one, and the previous older one is dropped. Python's string hash has a
secret in each process, so clients can't choose ids that collide.
"""

from collections.abc import Callable

GENERATION_EVENTS = 250_000  # some 25 MB of memory for both generations
GENERATION_S = 600.0


class RecentlyDelivered:
    """The fingerprints of at least the last `GENERATION_EVENTS` events, except those older than ten minutes."""

    def __init__(self, clock: Callable[[], float], generation: int = GENERATION_EVENTS) -> None:
        self._clock = clock
        self._generation = generation
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._since = clock()

    def add(self, fingerprint: int) -> None:
        if len(self._young) >= self._generation or self._clock() - self._since >= GENERATION_S:
            self._old, self._young = self._young, set()
            self._since = self._clock()
        self._young.add(fingerprint)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._young or fingerprint in self._old
