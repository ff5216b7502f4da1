"""All that verify found, of the archive or of the topics."""

from dataclasses import dataclass, field

from clickstream_archive.judging import GroupReport
from clickstream_archive.offsets import PartitionOffsets
from clickstream_archive.raw import RawFile


@dataclass
class Findings:
    """All that verify found."""

    source: str
    partitions: list[PartitionOffsets] = field(default_factory=list)
    lost: list[RawFile] = field(default_factory=list)
    groups: list[GroupReport] = field(default_factory=list)
    malformed_results: list[tuple[int, int, str]] = field(default_factory=list)
    committed_at: int | None = None
    kafka: str | None = None
    """Why Kafka was not asked; None if it was."""

    dead_letters_read: bool = False
    """Whether the dead letters are known to be there to the end of their topic."""

    @property
    def complete(self) -> bool:
        return not self.lost and all(each.complete for each in self.partitions)

    @property
    def equal(self) -> bool:
        return not self.malformed_results and all(each.is_equal for each in self.groups)
