"""The clocks of an app, passed in wherever time is needed, so that tests can move them.

Decisions that depend on the time use the brokers' clock, which is the same for all replicas. docs/processor.md (Whose
clock?) says how it is learnt from the answers to writes, and which steps of it are believed. Each answer bounds the
difference between the brokers' clock and our monotonic one (F. Cristian, "Probabilistic clock synchronization", 1989).
Bounds that agree are intersected; with age they widen by the drift of two clocks. `now` is the monotonic clock plus the
lower bound: never ahead of the brokers' clock, and behind it by the quickest answer's time at most.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from clickstream_core.durations import format_duration
from clickstream_core.log_throttle import LogThrottle

_STALE_AFTER_MS = 60_000  # until then clocks drift apart by some milliseconds only
_STEP_CONFIRMED_AFTER_MS = 60_000  # how long all answers must agree on a step ahead before it is believed

_DRIFT_PARTS = 1_000
"""Two clocks drift apart by one part in so many at most: each may be slewed by 500 parts in a million."""

_MIN_TOLERANCE_MS = 1_000  # a clock that is off by less counts as right, whatever MAX_CLOCK_SKEW is

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """The machine's own clock, in milliseconds: `now` since the epoch, which may jump; `monotonic` never falls."""

    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    monotonic: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000


@dataclass(frozen=True)
class _Bounds:
    """By how many milliseconds the brokers' clock is ahead of the monotonic one, according to answers until `at`."""

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

    When the machine's own clock, `own`, is off by more than `max_clock_skew`, the log says so. `show_offset` is called
    with the seconds that it is ahead of the brokers' clock.
    """

    def __init__(
        self,
        own: Clock | None = None,
        *,
        max_clock_skew: int,
        show_offset: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._own = own or Clock()
        self._tolerated = max(max_clock_skew, _MIN_TOLERANCE_MS)
        self._skew_setting = max_clock_skew
        self._show_offset = show_offset
        self._known: _Bounds | None = None
        self._answered_at: int | None = None
        self._ahead_since: int | None = None
        self._throttle = LogThrottle()

    @property
    def is_settled(self) -> bool:
        """Whether a broker has answered, so that `now` may decide something."""
        return self._answered_at is not None

    @property
    def is_stale(self) -> bool:
        """Whether no broker has answered for a minute, so that a record should be written."""
        return self._answered_at is None or self.monotonic() - self._answered_at >= _STALE_AFTER_MS

    def now(self) -> int:
        """Return milliseconds since the epoch, by the brokers' clock once it is known."""
        return self._own.now() if self._known is None else self.monotonic() + self._known.least

    def monotonic(self) -> int:
        return self._own.monotonic()

    def learn(self, appended: int | None, *, sent: int) -> None:
        """Take a broker's answer, which has just arrived, to a record sent at the monotonic time `sent`.

        `appended` is when the broker appended it, by its clock, or None for a topic with its writers' timestamps.
        """
        answered = self._answered_at = self.monotonic()
        if appended is None:
            return
        # Timestamps are cut to milliseconds, so the truth lies up to one after them.
        answer = _Bounds(appended - answered, appended + 1 - sent, answered)
        self._check_own(answer)
        known = self._known and self._known.aged(answered)
        if known is None or answer.most < known.least:
            self._known, self._ahead_since = answer, None
        elif answer.least <= known.most:
            self._known, self._ahead_since = known.narrowed(answer), None
        elif self._ahead_since is None:
            self._ahead_since = answered
        elif answered - self._ahead_since >= _STEP_CONFIRMED_AFTER_MS:
            self._known, self._ahead_since = answer, None

    def _check_own(self, answer: _Bounds) -> None:
        """Show how far the machine's own clock is off, and log it when that is certainly too much."""
        own = self._own.now() - answer.at
        ahead = own - (answer.least + answer.most) // 2
        self._show_offset(ahead / 1000)
        off_by = max(own - answer.most, answer.least - own)
        if off_by <= self._tolerated or not self._throttle.allow("offset", answer.at / 1000):
            return
        _log.warning(
            "the clock of this machine is %s %s the brokers', MAX_CLOCK_SKEW is %s; windows use the brokers' clock."
            " Check the time service on this machine and on the brokers",
            format_duration(round(abs(ahead), -3)),
            "ahead of" if ahead > 0 else "behind",
            format_duration(self._skew_setting),
        )
