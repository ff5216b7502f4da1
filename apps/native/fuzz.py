"""Native counting against Python's on mutated events and mutated batches: `fuzz.py [seconds] [seed]`.

Prints the seed and what differs, and ends with 1, at the first difference.
"""

import struct
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

if find_spec("clickstream_native") is None:
    sys.exit("The wheel clickstream-native is not installed: make native")
sys.path.insert(0, str(Path(__file__).parent / "tests"))

from mutations import NOW, damaged, random_timestamp, random_value
from record_batches import (
    APPEND_TIME,
    CODEC_LZ4,
    HEADER_BYTES,
    Made,
    built,
    compressed,
    read,
    with_payload,
)
from reference import FOREVER, Case, Result, assert_equal, by_native, by_python, native_batch

from clickstream_streams.counting import Bounds
from clickstream_streams.windows import NEVER, CountingRules

_TOO_LARGE = "too large"
_OFFSET_ZERO = "0 is not a valid match offset"
_MOST_SHOWN = 10_000  # characters; the seed gives the rest again


class _Round:
    """Some records, the rules by which they are counted, and how they are packed: all from one seed."""

    def __init__(self, seed: str) -> None:
        self.random = random = Random(seed)
        self.case = Case(
            rules=CountingRules(
                random.choice([1000, 30_000, 30_000, 86_400_000, 7_000]),
                random.choice(["event", "event", "arrival"]),
                random.choice([0, 60_000, 60_000, 10**9, 10**9]),
            ),
            bounds=Bounds(
                over=random.choice([NEVER, NEVER, NOW - 30_000]),
                behind=random.choice([0, 5_000, 60_000, FOREVER, FOREVER, FOREVER]),
                believed_to=random.choice([FOREVER, NOW, NOW + 100_000]),
                end_offset=random.choice([2**63 - 1, 2**63 - 1, 60]),
            ),
        )
        self.batches = [self._batch() for _ in range(random.randint(1, 3))]

    def _batch(self) -> bytes:
        records = [self._record() for _ in range(self.random.choice([1, 2, 5, 40, 100]))]
        batch = built(records, self.random.choice([0, 0, 30, -(2**63), 2**62]))
        if self.random.random() < 0.1:
            batch = with_payload(batch, batch[HEADER_BYTES:], attributes=APPEND_TIME, max_timestamp=NOW)
        return batch

    def _record(self) -> Made:
        random = self.random
        headers: list[tuple[str, bytes | None]] = [("h", None), ("한", b"\0x")] if random.random() < 0.1 else []
        key = random.choice([None, b"", b"user_0001"])
        return random_timestamp(random), key, random_value(random), headers

    def packed(self, batch: bytes) -> bytes:
        random = self.random
        if random.random() < 0.4 or batch[22] & APPEND_TIME:
            return batch
        return compressed(
            batch,
            block_size=random.choice([4, 5, 6, 7]),
            block_linked=random.random() < 0.3,
            content_checksum=random.random() < 0.3,
            block_checksum=random.random() < 0.3,
            store_size=random.random() < 0.3,
            compression_level=random.choice([0, 0, 9, -5]),
        )


def check_events(seed: str) -> Result:
    """Compare what is counted and refused."""
    each = _Round(seed)
    read_batches = [read(batch) for batch in each.batches]
    python = by_python(read_batches, each.case)
    native = by_native([native_batch(each.packed(batch)) for batch in each.batches], each.case)
    assert_equal(native, python)
    assert_equal(by_native(read_batches, each.case), python)
    assert_equal(by_python(read_batches, each.case, each=True), python)
    return native


def check_batch(seed: str) -> bool:
    """Compare which damaged batch is readable, and its records; returns whether it is."""
    each = _Round(seed)
    batch = each.packed(each.batches[0])
    match each.random.randrange(4):
        case 0:  # damaged as it is fetched
            batch = with_payload(batch, damaged(each.random, batch[HEADER_BYTES:]), attributes=batch[22])
        case 1:  # damaged before it was compressed
            batch = each.batches[0]
            batch = with_payload(batch, _with_other_numbers(each.random, batch[HEADER_BYTES:]), attributes=batch[22])
            batch = each.packed(batch)
        case 2:
            count = struct.unpack_from(">i", batch, 57)[0] + each.random.choice([-1, 1, 2**30, -(2**30)])
            batch = with_payload(batch, batch[HEADER_BYTES:], attributes=batch[22], records=count)
        case 3:
            header = bytearray(batch)
            at = each.random.choice([0, 7, 27, 34, 35, 42, 50, 57, 60])
            header[at] ^= 1 << each.random.randrange(8)
            batch = bytes(header)
    most_bytes = each.random.choice([1000, 2**26])
    if batch[22] & 7 != CODEC_LZ4:
        most_bytes = 2**26
    expected, found = _shown(read, batch, most_bytes), _shown(_read_natively, batch, most_bytes)
    if found == _TOO_LARGE and expected is None:
        return False  # it is both: native code stops at the first block beyond the limit
    if found == _OFFSET_ZERO:
        return False  # liblz4 makes arbitrary bytes of it
    assert found == expected, f"batch {batch!r}, {most_bytes=}: native {found!r}, Python {expected!r}"
    return expected is not None


def _read_natively(batch: bytes, most_bytes: int) -> list[Any]:
    return list(native_batch(batch, most_bytes=most_bytes))


def _shown(reader: Any, batch: bytes, most_bytes: int) -> list[Any] | str | None:
    try:
        records = reader(batch, most_bytes)
    except Exception as error:
        if type(error).__name__ in ("TooLarge", "BatchTooLarge"):
            return _TOO_LARGE
        return _OFFSET_ZERO if _OFFSET_ZERO in str(error) else None
    return [(each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in records]


def _with_other_numbers(random: Random, payload: bytes) -> bytes:
    """Change bytes at the beginning, where lengths are, or anywhere."""
    changed = bytearray(payload)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(min(16, len(changed))) if random.random() < 0.6 else random.randrange(len(changed))
        changed[at] = random.choice([0, 1, 2, 0x7F, 0x80, 0xFF, random.randrange(256)])
    return bytes(changed)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = sys.argv[2] if len(sys.argv) > 2 else str(SystemRandom().getrandbits(32))
    print(f"seed {seed}", flush=True)
    rounds = events = refused = judged = readable = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        this = f"{seed}-{rounds}"
        try:
            result = check_events(this)
            readable += check_batch(this)
        except Exception as error:
            print(f"round {this}: {type(error).__name__}: {str(error)[:_MOST_SHOWN]}")
            print("batches:", *(batch.hex()[:_MOST_SHOWN] for batch in _Round(this).batches), sep="\n")
            raise SystemExit(1) from error
        rounds += 1
        refused += len(result.refused)
        judged += result.judged
        events += sum(count for count, _, _ in result.spans.values())
    print(f"{rounds} rounds: {events} events counted, {judged - refused} of them by Python; {refused} refused;")
    print(f"{readable} of {rounds} damaged batches were readable; no difference")


if __name__ == "__main__":
    main()
