"""LZ4 as Kafka's own clients write it: fast.

aiokafka 0.14 compresses with LZ4's level 9, which it takes for Kafka's default. Java's client and kafka-python compress
fast unless told otherwise: batches of events become a fifth larger (3.3 instead of 4.1 times smaller) in a thirteenth
of the time. A record does not say the level, and whoever reads LZ4 reads both.
"""

from functools import partial

from aiokafka.codec import lz4_encode
from aiokafka.record._crecords import default_records

_FAST = 1


def compress_fast() -> None:
    """Have every producer of this process that has compression_type="lz4" compress fast."""
    default_records.lz4_encode = partial(lz4_encode, level=_FAST)
