"""Refused records as they are written to the dead letters: unchanged, with headers that explain them.

No record may stop a stream, so one that its topic refuses for its size is written in a smaller batch in the next
attempt, or without its value or key, and the header `error` says so.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from aiokafka import TopicPartition

from clickstream_kafka.records import DeadLetter, OutgoingRecord
from clickstream_kafka.transactions import MAX_BATCH_BYTES, MAX_RECORD_BYTES

_MAX_VALUE_BYTES = MAX_RECORD_BYTES - 2 * 1024 * 1024
"""Of a dead letter's key and value together; its headers need some bytes too."""

_MIN_BATCH_BYTES = 1_000


class DeadLetters:
    """The dead letters of one source partition; `headers` are added to each."""

    def __init__(
        self, topic: str, app: str, source: TopicPartition, headers: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        self.batch_bytes = MAX_BATCH_BYTES
        """The largest batch that the topic is believed to take; for `Transactions.open`."""
        self._topic = topic
        self._app = app
        self._source = source
        self._headers = headers
        self._unlogged = 0
        self._without_key: set[int] = set()
        self._without_value: set[int] = set()

    def outgoing(self, letter: DeadLetter) -> OutgoingRecord:
        """Return the record to write."""
        record = letter.record
        headers = {
            "reason": letter.reason,
            "error": letter.error,
            "source-topic": self._source.topic,
            "source-partition": str(self._source.partition),
            "source-offset": str(record.offset),
            "app": self._app,
        }
        key, value = record.key, record.value
        size = len(key or b"") + len(value or b"")
        if value is not None and (size > _MAX_VALUE_BYTES or record.offset in self._without_value):
            headers["error"] += f"; its {len(value)} bytes are too many for this topic, they are at its source"
            value = None
        if key is not None and (len(key) > _MAX_VALUE_BYTES or record.offset in self._without_key):
            headers["error"] += f"; its key's {len(key)} bytes are too many for this topic, they are at its source"
            key = None
        written = (*((name, text.encode()) for name, text in headers.items()), *self._headers)
        return OutgoingRecord(self._topic, value, key=key, headers=written)

    def make_smaller(self, letters: Sequence[DeadLetter], first: int, too_large: Iterable[int]) -> None:
        """Write refused letters in smaller batches in the next attempt, or without what is larger than a batch.

        `letters` began at position `first` of the transaction's records; those at `too_large` were refused. A key or
        value larger than a batch was refused for its own size, anything else for the size of its batch.
        """
        refused = [letters[at - first].record for at in too_large if first <= at < first + len(letters)]
        alone = not refused
        for record in refused:
            value = 0 if record.offset in self._without_value else len(record.value or b"")
            key = 0 if record.offset in self._without_key else len(record.key or b"")
            if max(value, key) > self.batch_bytes:
                alone = True
                (self._without_value if value >= key else self._without_key).add(record.offset)
        if not alone:
            self.batch_bytes = max(_MIN_BATCH_BYTES, self.batch_bytes // 2)

    def written(self, letters: Iterable[DeadLetter]) -> None:
        """Take note that the letters are committed."""
        for letter in letters:
            self._without_key.discard(letter.record.offset)
            self._without_value.discard(letter.record.offset)

    def log_refused(
        self, letters: Sequence[DeadLetter], log: logging.Logger, name: str, may_log: Callable[[str], bool]
    ) -> None:
        """Log how many records the task `name` has refused since the last such line, if `may_log` allows one now."""
        self._unlogged += len(letters)
        if not letters or not may_log("refused records"):
            return
        last = letters[-1]
        log.warning(
            "%s: refused %d records; they are on %s. The last one, at offset %d, is %s: %s",
            name,
            self._unlogged,
            self._topic,
            last.record.offset,
            last.reason,
            last.error,
            extra={"partition": self._source.partition, "offset": last.record.offset, "reason": last.reason},
        )
        self._unlogged = 0
