"""The floor: decoding the bytes of all events, already in memory, and nothing else. No Kafka.

The command line gives the file of events. All of them are read first, then decoded batch by batch: into the fields that
are counted, into all fields of an event, and into a dict, the result without a type.
"""

import gc
import sys
import time
from pathlib import Path

import msgspec

from clickstream_core.events import CountedEvent, Event

_BATCH = 5_000
_INTO: dict[str, type] = {"its 8 counted fields": CountedEvent, "all its 11 fields": Event, "a dict": dict}


def main() -> None:
    """Print `<what an event becomes> <tab> <events per CPU second>` for each of the ways."""
    with Path(sys.argv[1]).open("rb") as lines:
        values = [line.rstrip(b"\n").partition(b"\t")[2] for line in lines]
    gc.disable()
    for name, kind in _INTO.items():
        decode = msgspec.json.Decoder[object](kind).decode
        began = time.process_time()
        for first in range(0, len(values), _BATCH):
            [decode(value) for value in values[first : first + _BATCH]]
        print(name, len(values) / (time.process_time() - began), sep="\t")


if __name__ == "__main__":
    main()
