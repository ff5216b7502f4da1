"""What a log holds and a commit says, without a client library: pure code can name these types."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Record(Protocol):
    """What is needed of a Kafka record; `timestamp` is in milliseconds since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


@dataclass
class OversizedRecord:
    """A record of a batch that unpacks to more than is allowed: its offset is known, its content is not read."""

    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Iterable[tuple[str, bytes | None]] = ()


Batches = Iterable[Sequence[Record]]
"""A partition's next records in lists; none when nothing arrived for a short while."""


@dataclass(frozen=True)
class OutgoingRecord:
    """A record to write; without a `partition` its key decides."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class DeadLetter:
    """A refused record, the reason, and its explanation."""

    record: Record
    reason: str
    error: str


class CommittedOffset(Protocol):
    """A group's commit for a partition: the next offset to read, and the text committed with it."""

    @property
    def offset(self) -> int: ...

    @property
    def metadata(self) -> str: ...


@dataclass(frozen=True)
class LogBounds:
    """The offset of a partition's first record, and the offset after its last."""

    first: int
    end: int
