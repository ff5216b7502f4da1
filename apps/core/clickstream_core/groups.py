"""Which processor wrote a record: several, each with its own GROUP_ID, may count the same topics.

A processor puts its GROUP_ID into the header `group` of everything it writes: internal records, results and dead
letters. Readers of these topics use the records of one group and ignore the others'. Records without the header belong
to the default group: they are from versions that could not run side by side.
"""

from collections.abc import Iterable

DEFAULT_GROUP = "clickstream-processor"
GROUP_HEADER = "group"


def group_of(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return the group in a record's headers, the last one if there are several, DEFAULT_GROUP if there is none."""
    groups = [value for name, value in headers if name == GROUP_HEADER]
    return (groups[-1] or b"").decode(errors="replace") if groups else DEFAULT_GROUP
