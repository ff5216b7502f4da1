"""Which processor wrote a record: several of them, each with a GROUP_ID of its own, may count the same topics.

A processor puts its GROUP_ID into the header `group` of everything it writes: internal records, results and dead
letters. Who reads these topics reads one group's records and passes over the others'. Records without the header are
the default group's: processors wrote none before they could run beside each other.
"""

from collections.abc import Iterable

DEFAULT_GROUP = "clickstream-processor"
GROUP_HEADER = "group"


def group_of(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return the group that a record's headers name, DEFAULT_GROUP when they name none; of several the last."""
    groups = [value for name, value in headers if name == GROUP_HEADER]
    return (groups[-1] or b"").decode(errors="replace") if groups else DEFAULT_GROUP
