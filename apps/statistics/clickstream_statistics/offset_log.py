"""Spark's log of what each batch reads, made to agree with what the batches have really read. Pure.

Spark writes the end of a batch to `offsets/N` before it runs it. On HDFS that file can't be written twice. In a folder
and on S3 two drivers may both write it, and then its end may be that of the driver whose batch was refused. The record
in the ledger was made once. So a driver that starts replaces the ends in the newest two files, from which Spark goes
on, by those of the ledger.
"""

import json
from collections.abc import Mapping


def with_ends(content: str, topic: str, initial: Mapping[str, int], positions: Mapping[str, int]) -> str:
    """Return a file of the log with the ends of a batch as they were.

    `content` has a version, a line about the batch, and a line for each source; there is one. `initial` has the offsets
    at which reading began, `positions` those that follow the batch's last records. Raises ValueError for another form.
    """
    version, batch, *sources = content.strip().split("\n")
    if version != "v1" or len(sources) != 1:
        raise ValueError("expected version v1 and one source")
    ends = json.loads(sources[0])
    if list(ends) != [topic]:
        raise ValueError(f"expected the ends of {topic}")
    corrected = {topic: {**initial, **positions}}
    return "\n".join([version, batch, json.dumps(corrected, separators=(",", ":"))])


def first_offsets(content: str, topic: str) -> dict[str, int]:
    """Return where reading began: the first file of the source, whose first line is a version."""
    found: dict[str, int] = json.loads(content.strip("\0 \n").split("\n")[-1])[topic]
    return found
