"""The clocks of the processor, passed in wherever time is needed, so that tests can move them.

What time decides (which windows of an idle partition have ended, which record lies too far ahead) is decided by the
brokers' clock: it is one for all replicas, while each machine's own may be wrong, or may jump. Kafka tells it for
nothing: on a topic whose `message.timestamp.type` is LogAppendTime the answer to a produce request says when the
broker appended the record, and every transaction writes to such a topic. That was after the record was sent and before
the answer came, so each answer bounds by how much the brokers' clock differs from our monotonic one (F. Cristian,
"Probabilistic clock synchronization", 1989). Bounds that agree are intersected, and grow with age by what two clocks
may drift apart. `now` is the monotonic clock and the lower bound: never ahead of the brokers' clock, and behind it by
the quickest answer's time at most. A step of the machine's own clock has no effect on it at all.

Answers that contradict what is known mean that a broker's clock was set, or that another broker leads the partition
now. Going back is harmless and believed at once, for a watermark never falls; a step ahead can't be undone, so it is
believed when all answers of a minute have told of it.

A topic that keeps its writers' own timestamps tells nothing. Then the machine's own clock is all there is.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from clickstream_core.durations import format_duration
from clickstream_streams import instruments

_FRESH_MS = 60_000
"""How long an answer is fresh enough: clocks drift apart by some milliseconds in it."""

_BELIEVED_AFTER_MS = 60_000
"""How long the brokers must tell of a step ahead until it is believed."""

_DRIFT_PARTS = 1_000
"""One part in so many is what two clocks drift apart at most: each may be slewed by 500 parts in a million."""

_SAID_AGAIN_AFTER_MS = 30_000
_LEAST_SKEW_MS = 1_000
"""A clock that is off by less is right, whatever MAX_CLOCK_SKEW is."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """The machine's own: `now` is milliseconds since the epoch and may jump, `monotonic` is some that only rise."""

    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    monotonic: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000


@dataclass(frozen=True)
class _Bounds:
    """By how many milliseconds the brokers' clock is ahead of the monotonic one, as answers until `at` tell."""

    least: int
    most: int
    at: int

    def aged(self, at: int) -> "_Bounds":
        drift = -(-max(0, at - self.at) // _DRIFT_PARTS)
        return _Bounds(self.least - drift, self.most + drift, at)

    def narrowed(self, other: "_Bounds") -> "_Bounds":
        return _Bounds(max(self.least, other.least), min(self.most, other.most), other.at)


class BrokersClock:
    """The brokers' clock as this replica knows it; all times are in milliseconds.

    `max_clock_skew` is how far the machine's own clock, `own`, may be off without being named for it.
    """

    def __init__(self, own: Clock | None = None, *, max_clock_skew: int) -> None:
        self._own = own or Clock()
        self._tolerated = max(max_clock_skew, _LEAST_SKEW_MS)
        self._skew_setting = max_clock_skew
        self._known: _Bounds | None = None
        self._asked_at: int | None = None
        self._ahead_since: int | None = None
        self._said_at: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether a broker has answered, so that `now` may decide something."""
        return self._asked_at is not None

    @property
    def is_stale(self) -> bool:
        """Whether no broker has answered for a minute, so that somebody should write a record."""
        return self._asked_at is None or self.monotonic() - self._asked_at >= _FRESH_MS

    def now(self) -> int:
        """Return milliseconds since the epoch, by the brokers' clock where a topic tells it."""
        return self._own.now() if self._known is None else self.monotonic() + self._known.least

    def monotonic(self) -> int:
        """Return milliseconds of the machine's clock that only rises."""
        return self._own.monotonic()

    def learn(self, appended: int | None, *, sent: int) -> None:
        """Take a broker's answer, which has just come, to a record sent at the monotonic time `sent`.

        `appended` is when the broker appended it, by its clock, or None where the topic doesn't tell.
        """
        answered = self._asked_at = self.monotonic()
        if appended is None:
            return
        # Timestamps are cut to milliseconds, so the truth lies up to one after them.
        answer = _Bounds(appended - answered, appended + 1 - sent, answered)
        self._show_own(answer)
        known = self._known and self._known.aged(answered)
        if known is None or answer.most < known.least:
            self._known, self._ahead_since = answer, None
        elif answer.least <= known.most:
            self._known, self._ahead_since = known.narrowed(answer), None
        elif self._ahead_since is None:
            self._ahead_since = answered
        elif answered - self._ahead_since >= _BELIEVED_AFTER_MS:
            self._known, self._ahead_since = answer, None

    def _show_own(self, answer: _Bounds) -> None:
        """Tell how far the machine's own clock is off, in a metric, and in the log when that is surely too much."""
        own = self._own.now() - answer.at
        ahead = own - (answer.least + answer.most) // 2
        instruments.CLOCK_OFFSET_SECONDS.set(ahead / 1000)
        surely = max(own - answer.most, answer.least - own)
        said_lately = self._said_at is not None and answer.at - self._said_at < _SAID_AGAIN_AFTER_MS
        if surely <= self._tolerated or said_lately:
            return
        self._said_at = answer.at
        _log.warning(
            "the clock of this machine is %s %s the brokers', MAX_CLOCK_SKEW is %s; windows go by the brokers' clock."
            " Does the time service run here, and there?",
            format_duration(round(abs(ahead), -3)),
            "ahead of" if ahead > 0 else "behind",
            format_duration(self._skew_setting),
        )
