"""The two clocks of the processor, passed in wherever time is needed, so that tests can move it."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """`now` is milliseconds since the epoch and may jump; `monotonic` is milliseconds that only rise."""

    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    monotonic: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
