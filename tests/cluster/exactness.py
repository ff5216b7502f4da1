"""Compare all windows of the run so far with an offline count, while events flow and window sizes change."""

import re
import time
from datetime import datetime
from itertools import pairwise

from cluster.cluster_topics import ClusterTopics
from cluster.installation import CONSUMER, Installation
from kit.offline import Result, count_offline, differences_from, read_metrics
from kit.poll import eventually

# Where the window size changes, what was open is given up: a window of each size, out-of-orderness, a commit interval.
_LONGEST_GAP = 60
_WINDOW = re.compile(r"^⏰ Window: \S+ → (\S+)", flags=re.MULTILINE)


def assert_all_windows_exact(
    topics: ClusterTopics, further_seconds: float = 0, deadline_seconds: float = 240
) -> dict[str, Result]:
    """Wait until a window that ends after now has its result; then all before must be as counted offline.

    Also that no dead letter and no (window, revision) is there twice. Returns the last revisions of these windows.
    `further_seconds` compares so much longer.
    """
    until = time.time() + further_seconds
    wait_for_window_after(topics.installation, until, deadline_seconds + further_seconds)

    def compared() -> dict[str, Result]:
        topics.refresh()
        return _compare(topics, until)

    return eventually(compared, deadline_seconds=60, every=2)


def wait_for_window_after(installation: Installation, instant: float, deadline_seconds: float = 240) -> None:
    """Wait until the dashboard shows a window that ends after `instant` (seconds since the epoch).

    The log is looked at because that costs less than reading the topics again and again.
    """

    def shown() -> bool:
        tails = [installation.log(pod, tail_lines=100) for pod in installation.pod_names(CONSUMER)]
        ends = [seconds(end) for tail in tails for end in _WINDOW.findall(tail)]
        assert max(ends, default=0) > instant, f"the newest window ended {time.time() - max(ends, default=0):.0f} s ago"
        return True

    eventually(shown, deadline_seconds, every=1)


def seconds(text: str) -> int:
    """Seconds since the epoch of a window's start or end."""
    return int(datetime.fromisoformat(text).timestamp())


def _compare(topics: ClusterTopics, until: float) -> dict[str, Result]:
    everything = read_metrics(topics)
    results = {start: each for start, each in everything.items() if seconds(each.window_end) <= until}
    assert results, "no window has ended"
    # Later windows too: where the window size changes, the first one of the new size says how long the gap is.
    covered = [(seconds(each.window_start), seconds(each.window_end)) for each in everything.values()]
    counted = {size: count_offline(topics, size) for size in {end - start for start, end in covered}}
    differences = []
    for start, result in results.items():
        numbers = counted[seconds(result.window_end) - seconds(start)].get(start)
        differences += differences_from(result, numbers) if numbers else [f"window {start}: there are no events for it"]
    covered += _gaps(covered)
    smallest = min(counted)
    for start, numbers in counted[smallest].items():
        first, end = seconds(start), seconds(start) + smallest
        if end <= until and not any(begin <= first and end <= over for begin, over in covered):
            differences.append(f"window {start}: no metrics, expected {numbers['total_events']} events")
    assert not differences, f"{len(differences)} differences from the offline count:\n" + "\n".join(differences)
    return results


def _gaps(covered: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Between windows of different sizes. Raises AssertionError for windows that overlap, and for long gaps."""
    gaps = []
    for (begin, end), (next_begin, next_end) in pairwise(covered):
        assert end <= next_begin, f"windows {begin} to {end} and {next_begin} to {next_end} overlap"
        if end - begin != next_end - next_begin:
            assert next_begin - end <= _LONGEST_GAP, f"windows {begin} to {end} and {next_begin} to {next_end}: apart"
            gaps.append((end, next_begin))
    return gaps
