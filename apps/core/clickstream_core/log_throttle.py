"""Trouble that lasts is logged when it begins, and again every 30 s, not each time it is met."""

from collections.abc import Hashable

_MOST_SUBJECTS = 1_000


class LogThrottle:
    """Decides whether a subject gets a line in the log now."""

    def __init__(self, interval_s: float = 30.0) -> None:
        self._interval_s = interval_s
        self._logged_at: dict[Hashable, float] = {}

    def allow(self, subject: Hashable, now_s: float) -> bool:
        """Return True, and remember it, unless the subject was allowed within the last `interval_s`.

        `now_s` is in seconds, of any one clock.
        """
        logged_at = self._logged_at.get(subject)
        if logged_at is not None and now_s - logged_at < self._interval_s:
            return False
        if len(self._logged_at) >= _MOST_SUBJECTS:
            self._logged_at.clear()
        self._logged_at[subject] = now_s
        return True

    def clear(self) -> None:
        """Forget all subjects: the trouble is over."""
        self._logged_at.clear()
