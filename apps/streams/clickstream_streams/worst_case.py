"""How much memory the processor takes at worst with its settings.

At worst one replica holds all partitions. Then it takes the sum of

- BASE_BYTES: the interpreter, its modules and the clients of Kafka;
- FETCHED_BYTES: what was fetched and not processed yet, and one batch of records unpacked;
- in stage 1 for each partition the windows that are not written: those that may be open at a time, each of them full,
  and MOST_WINDOWS with few events. Events that are not late lie between the watermark and OUT_OF_ORDERNESS +
  MAX_CLOCK_SKEW after it. A window is full when as many ids as EXACT_LIMIT allows, each with the longest text that is
  kept, and names of 4 MiB are counted in it; beyond that sketches take over, which need less;
- in stage 2 the partials that it holds (`shares`), the ids of one window while they are united (`sketches`), and a few
  kilobytes for each window that may still change: those between the slowest partition's watermark - ALLOWED_LATENESS
  and the fastest's. While one partition lags behind the others by hours, there are as many more.

The bytes of a full window and of a window that may change were measured (tracemalloc, and bench/bounds.py); the real
figure is far lower when windows are not full. Settings with more than MOST_CHANGING_WINDOWS are refused.
"""

from pathlib import Path

from clickstream_core.processor_times import ProcessorTimes
from clickstream_streams.partition import MOST_OPEN_WINDOWS, MOST_WINDOWS
from clickstream_streams.shares import MOST_HELD_BYTES
from clickstream_streams.sketches import MOST_MERGED_IDS

MOST_CHANGING_WINDOWS = 21_000
"""Windows that may still change at a time: a week of 30 seconds each. Each turn of stage 2 looks at all of them."""

_MIB = 1024 * 1024
BASE_BYTES = 80 * _MIB
FETCHED_BYTES = 128 * _MIB
FULL_WINDOW_BYTES = 12 * _MIB
"""Of a full window beside its ids: the names, the text of ids, and what a partial takes while it is written."""

BYTES_FOR_EACH_ID = 240
"""For EXACT_LIMIT: a user and a session, a page and a referrer."""

_SMALL_WINDOW_BYTES = 3_000
_MERGED_ID_BYTES = 100
_CHANGING_WINDOW_BYTES = 5_000

_NO_LIMIT = 2**60
"""What cgroup v1 calls no limit is above this."""


def open_windows(times: ProcessorTimes) -> int:
    """Return how many windows of a partition may be open at a time if clocks are right."""
    return _touched(times.out_of_orderness + times.max_clock_skew, times.window_size)


def changing_windows(times: ProcessorTimes) -> int:
    """Return how many windows may still change at a time if no partition lags behind the others."""
    return _touched(times.needed_ms + times.max_clock_skew, times.window_size)


def smallest_window_size(times: ProcessorTimes) -> int:
    """Return the smallest WINDOW_SIZE, in milliseconds and whole seconds, whose changing windows can be held."""
    span = times.needed_ms - times.window_size + times.max_clock_skew
    return -(-span // (MOST_CHANGING_WINDOWS - 2) // 1000) * 1000


def worst_case_bytes(times: ProcessorTimes, exact_limit: int, partitions: int) -> int:
    """Return how much memory the processor takes at worst when one replica holds all partitions."""
    full = min(open_windows(times), MOST_OPEN_WINDOWS) * (FULL_WINDOW_BYTES + BYTES_FOR_EACH_ID * exact_limit)
    stage_1 = partitions * (full + MOST_WINDOWS * _SMALL_WINDOW_BYTES)
    united = min(partitions * exact_limit, MOST_MERGED_IDS) * _MERGED_ID_BYTES
    stage_2 = MOST_HELD_BYTES + united + changing_windows(times) * _CHANGING_WINDOW_BYTES
    return BASE_BYTES + FETCHED_BYTES + stage_1 + stage_2


def container_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the container's memory limit in bytes, from cgroup v2 or v1; None without one."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup / name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() and int(text) < _NO_LIMIT else None
    return None


def why_it_may_not_fit(times: ProcessorTimes, exact_limit: int, partitions: int, limit: int | None) -> str:
    """Return a warning if the worst case is beyond the container's limit; "" if not, or without a limit."""
    worst = worst_case_bytes(times, exact_limit, partitions)
    if limit is None or worst <= limit:
        return ""
    return (
        f"at worst, when one replica holds all {partitions} partitions and each of {open_windows(times)} open windows"
        f" is full, it takes {worst // _MIB} MiB; the container's limit is {limit // _MIB} MiB. If windows may become"
        f" so large, raise the limit, or lower EXACT_LIMIT ({exact_limit})"
    )


def _touched(span: int, window_size: int) -> int:
    """Return how many windows a span of time may touch."""
    return -(-span // window_size) + 1
