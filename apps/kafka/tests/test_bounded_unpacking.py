import gzip
import resource
import zlib
from collections.abc import Callable

import cramjam
import pytest
from aiokafka import codec as aiokafka_codec
from kafka import codec as kafka_codec

from clickstream_kafka.errors import BatchTooLarge
from clickstream_kafka.patches.bounded_unpacking import decoders

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    "lz4": lambda data: bytes(cramjam.lz4.compress(data)),
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
}
MOST = 100_000


def unpack(codec: str, packed: bytes, most: int = MOST) -> bytes:
    return decoders(most)[f"{codec}_decode"](packed)


@pytest.mark.parametrize("codec", PACK)
@pytest.mark.parametrize("size", [0, 1, 5_000, MOST])
def test_what_fits_is_unpacked(codec: str, size: int) -> None:
    data = (b"0123456789abcdef" * (MOST // 16 + 1))[:size]
    assert unpack(codec, PACK[codec](data)) == data


@pytest.mark.parametrize("codec", PACK)
@pytest.mark.parametrize("library", [aiokafka_codec, kafka_codec])
def test_what_the_client_libraries_pack_is_unpacked(codec: str, library: object) -> None:
    data = bytes(range(256)) * 300
    assert unpack(codec, bytes(getattr(library, f"{codec}_encode")(data))) == data


@pytest.mark.parametrize("codec", PACK)
def test_one_byte_too_many_is_too_large(codec: str) -> None:
    with pytest.raises(BatchTooLarge):
        unpack(codec, PACK[codec](bytes(MOST + 1)))


def test_gzip_of_several_members_is_counted_as_a_whole() -> None:
    member = gzip.compress(bytes(MOST // 2))
    assert unpack("gzip", member + member) == bytes(MOST)
    with pytest.raises(BatchTooLarge):
        unpack("gzip", member * 3)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_hundreds_of_megabytes_take_no_more_memory_than_the_bound(codec: str) -> None:
    packed = PACK[codec](bytes(400 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BatchTooLarge, match="more than 8 MiB"):
        unpack(codec, packed, 8 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize("codec", PACK)
@pytest.mark.parametrize("packed", [b"garbage garbage garbage", b"\x82SNAPPY\x00" + b"\xff" * 20])
def test_nonsense_is_an_error_but_not_a_large_batch(codec: str, packed: bytes) -> None:
    with pytest.raises((cramjam.DecompressionError, OSError, ValueError, zlib.error)):
        unpack(codec, packed)


def test_a_stream_that_breaks_off_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)))
    with pytest.raises(EOFError):
        unpack("gzip", packed[:-9])
