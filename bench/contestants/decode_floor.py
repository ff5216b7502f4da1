"""The floor: decoding the bytes of all events, already in memory, into the fields that are counted. No Kafka.

The command line gives the file of events. All of them are read first, then decoded batch by batch.
"""

import gc
import sys
import time
from pathlib import Path

import msgspec

from clickstream_core.events import CountedEvent

_BATCH = 5_000


def main() -> None:
    """Print `floor <events> <CPU seconds>`."""
    decode = msgspec.json.Decoder(CountedEvent).decode
    with Path(sys.argv[1]).open("rb") as lines:
        values = [line.rstrip(b"\n").partition(b"\t")[2] for line in lines]
    gc.disable()
    began = time.process_time()
    for first in range(0, len(values), _BATCH):
        [decode(value) for value in values[first : first + _BATCH]]
    spent = time.process_time() - began
    print("floor", len(values), spent)


if __name__ == "__main__":
    main()
