"""What differs between a result's figures and the recount, in words."""

from clickstream_archive.recount import FIELDS, Named, Numbers, Result

_SKETCH_SHARE = 0.04
"""Twice what a sketch of distinct ids is off by at most in 95 of 100 cases, so practically never exceeded."""

_DISTINCT = ("unique_users", "unique_sessions")

_NAMES_SHARE = 0.0011
"""What a count by name is off by at most, of all events, once names were too many to be counted exactly."""


def compare(result: Result, counted: Numbers | None) -> tuple[str, ...]:
    """Return each figure that differs, in words. Those of a sketch may differ by its error."""
    if counted is None:
        return (f"total_events is {result.numbers.total_events}, recounted 0",)
    found = []
    for name in FIELDS:
        had, recounted = getattr(result.numbers, name), getattr(counted, name)
        if had == recounted or (result.approximate and _close(name, had, recounted, counted.total_events)):
            continue
        found += _named_differences(name, had, recounted) if isinstance(had, tuple) else [_words(name, had, recounted)]
    return tuple(found)


def _words(name: str, had: object, recounted: object) -> str:
    return f"{name} is {had}, recounted {recounted}"


def _named_differences(name: str, had: Named, recounted: Named) -> list[str]:
    before, after = dict(had), dict(recounted)
    found = [
        _words(f"{name}[{key}]", before.get(key, "not there"), after.get(key, "not there"))
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    ]
    return found or [f"{name} is ordered {', '.join(before)}, recounted {', '.join(after)}"]


def _close(name: str, had: object, recounted: object, total: int) -> bool:
    """Whether they may be a sketch's: of distinct ids, or of counts by name, which may lack a rare name."""
    if name in _DISTINCT and isinstance(had, int) and isinstance(recounted, int):
        return abs(had - recounted) <= _SKETCH_SHARE * max(recounted, 1)
    if isinstance(had, tuple) and isinstance(recounted, tuple) and len(had) <= len(recounted):
        counts, most = dict(recounted), _NAMES_SHARE * total
        smallest = min(counts.values(), default=0)
        rare = len(had) == len(recounted) or smallest <= most
        return rare and all(abs(count - counts.get(each, smallest)) <= most for each, count in had)
    return False
