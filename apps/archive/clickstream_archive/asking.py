"""Asks Kafka what the topics still hold, beside an archive; what can't be asked stays unknown."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from clickstream_archive.offsets import Cause, PartitionOffsets
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.topic_log import TopicLog, TopicUnavailable
from clickstream_archive.unarchived import READ_BY_SINK, dead_letters_read, explain, read_by_sink, unarchived

_COMMIT_S = 10.0
"""So long after its files were written the sink may need to put them into the table."""

_UNDER_WAY = "the sink has read them, and was committing while this was verified: verify again"


class Asking:
    """A context manager, to be entered before the table is read. `failed` is why Kafka is not asked, None if it is."""

    def __init__(self, settings: ArchiveSettings, sink_group: str, *, offline: bool) -> None:
        self.failed: str | None = "--offline" if offline else None
        self._settings, self._sink_group = settings, sink_group
        self._stack = ExitStack()
        self._partitions: list[PartitionOffsets] = []

    def __enter__(self) -> Self:
        if self.failed is None:
            try:
                self._log = self._stack.enter_context(TopicLog(self._settings.kafka))
                self._read = read_by_sink(self._log, self._sink_group)
                self._began = time.monotonic()
            except TopicUnavailable as error:
                self.failed = str(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def explain(self, partitions: list[PartitionOffsets], *, whole: bool) -> bool:
        """Explain gaps by what the topics hold; return whether the dead letters are known to be there to their end.

        With `whole`, partitions that the topics have and the archive does not are added; else only later hours are
        looked at, and they may be there in earlier ones.
        """
        if self.failed is not None:
            return False
        self._partitions = partitions
        try:
            for each in partitions:
                explain(self._log, each, self._read)
            if whole:
                partitions += unarchived(self._log, self._settings, partitions, self._read)
            return dead_letters_read(self._log, self._settings, partitions, self._read)
        except TopicUnavailable as error:
            self.failed = str(error)
            return False

    def wait_for_commit(self, unchanged: Callable[[], bool]) -> None:
        """Take back what is missing only because the sink has read it, if a commit was under way.

        `unchanged` is whether the table is still as it was read; it is asked only if there is such a gap.
        """
        read = [(each, gap) for each in self._partitions for gap in each.gaps if gap.why == READ_BY_SINK]
        if not read:
            return
        time.sleep(max(0.0, self._began + _COMMIT_S - time.monotonic()))
        if unchanged():
            return
        for partition, gap in read:
            partition.gaps[partition.gaps.index(gap)] = gap.part(gap.first, gap.last, Cause.UNKNOWN, _UNDER_WAY)
