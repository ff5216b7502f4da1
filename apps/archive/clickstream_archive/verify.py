"""`clickstream-archive verify`: is every record there once, and does every result equal the recount?"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog

from clickstream_archive.absent import absent_partitions
from clickstream_archive.catalogs import open_catalog
from clickstream_archive.command import begin
from clickstream_archive.engine import engine
from clickstream_archive.errors import ArchiveError
from clickstream_archive.evidence import Evidence
from clickstream_archive.failures import one_line
from clickstream_archive.findings import Findings
from clickstream_archive.from_archive import (
    RawSnapshot,
    commits_of_partitions,
    gather,
    raw_snapshot,
    sink_group,
    snapshot_id,
    without_damaged,
)
from clickstream_archive.judging import Times, judge_group
from clickstream_archive.lost import mark_lost
from clickstream_archive.offsets import PartitionOffsets
from clickstream_archive.progress import progress
from clickstream_archive.recount import groups
from clickstream_archive.runs import Run, failed_result, record_run
from clickstream_archive.settings import ArchiveSettings, OutputSettings
from clickstream_archive.verify_text import as_result, in_words
from clickstream_core.durations import parse_duration
from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import choice, setting, setting_of, switch
from clickstream_kafka.patches import apply_to_kafka_python


def since(value: str) -> str | timedelta:
    """An hour in UTC, `2026-11-27T09` or `2026-11-27`, or how long ago, `36h`."""
    text = value.strip()
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H"):
        try:
            return datetime.strptime(text, form).strftime("%Y-%m-%dT%H")
        except ValueError:
            continue
    try:
        return timedelta(milliseconds=parse_duration(text))
    except ValueError as error:
        raise ValueError(
            "expected an hour in UTC such as 2026-11-27T09, a day, or how long ago, such as 36h"
        ) from error


@dataclass(frozen=True)
class VerifySettings:
    """The archive, what is verified, and the processor's own durations."""

    archive: ArchiveSettings
    output: OutputSettings
    source: str = setting(
        "VERIFY_FROM",
        parse=choice("archive", "topic"),
        default="archive",
        help="archive, or topic: the live topics, for what they still hold",
        flag="--from",
    )
    since: str | timedelta | None = setting(
        "VERIFY_SINCE",
        parse=since,
        help="look only at records since this hour in UTC (2026-11-27T09), or for so long (36h)",
        flag="--since",
    )
    offline: bool = switch("OFFLINE", help="don't ask Kafka what the topics still hold")
    window_time: str = setting(
        "WINDOW_TIME", parse=choice("event", "arrival"), default="event", help="the processor's WINDOW_TIME"
    )
    out_of_orderness: int = setting_of(ProcessorTimes, "out_of_orderness")
    allowed_lateness: int = setting_of(ProcessorTimes, "allowed_lateness")
    idle_timeout: int = setting_of(ProcessorTimes, "idle_timeout")
    max_clock_skew: int = setting_of(ProcessorTimes, "max_clock_skew")

    @property
    def times(self) -> Times:
        return Times(
            self.out_of_orderness,
            self.allowed_lateness,
            self.idle_timeout,
            self.max_clock_skew,
            self.window_time == "arrival",
        )


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 0 if nothing differs, 1 on a difference."""
    settings = begin(
        VerifySettings,
        "verify",
        "Checks that every record is there once, and that every window's last result equals the recount of the events."
        " Give it the processor's own settings.",
        argv,
    )
    apply_to_kafka_python()
    began, started_at = time.monotonic(), datetime.now(UTC)
    try:
        found = _found(settings)
    except Exception as error:
        if settings.output.record:
            failed = failed_result("verify", one_line(error))
            record_run(settings.archive.catalog, Run("verify", started_at, datetime.now(UTC), 1, failed))
        raise
    seconds = time.monotonic() - began
    result = as_result(found, seconds)
    print(json.dumps(result, ensure_ascii=False) if settings.output.as_json else in_words(found, seconds))
    status = 0 if found.complete and found.equal else 1
    if settings.output.record:
        record_run(settings.archive.catalog, Run("verify", started_at, datetime.now(UTC), status, result))
    return status


def _found(settings: VerifySettings) -> Findings:
    with engine(settings.archive.catalog, on_disk=True) as connection:
        evidence = Evidence(connection)
        found = _from_topics(settings, evidence) if settings.source == "topic" else _from_archive(settings, evidence)
        found.malformed_results = evidence.malformed_results
        for group in _wanted(groups(connection), settings):
            report = judge_group(
                connection,
                group,
                settings.archive,
                settings.times,
                found.partitions,
                found.lost,
                dead_letters_read=found.dead_letters_read,
            )
            found.groups.append(report)
    _mark_counted(found, settings.archive.events_topic)
    return found


def _wanted(known: Sequence[str], settings: VerifySettings) -> Sequence[str]:
    """The groups to be judged. Raises ArchiveError for a group that has no results while others have."""
    wanted = settings.archive.group_id
    if wanted is None:
        return known
    if known and wanted not in known:
        raise ArchiveError(f"GROUP_ID={wanted}: this group has no results; expected one of {', '.join(known)}")
    return [wanted]


def _from_archive(settings: VerifySettings, evidence: Evidence) -> Findings:
    from clickstream_archive.asking import Asking

    archive, whole = settings.archive, settings.since is None
    catalog, since = open_catalog(archive.catalog), _hour(settings.since)
    with Asking(archive, sink_group(catalog, archive.catalog), offline=settings.offline) as asking:
        snapshot = raw_snapshot(catalog, archive, since)
        snapshot, partitions = _gathered(evidence, snapshot, catalog, archive, from_first=whole)
        evidence.finish()
        found = Findings("archive", partitions, list(snapshot.lost), committed_at=snapshot.committed_at)
        found.dead_letters_read = asking.explain(partitions, whole=whole)
        asking.wait_for_commit(lambda: snapshot_id(catalog, archive) == snapshot.id)
        found.kafka = asking.failed
    partitions += absent_partitions(
        evidence.connection,
        archive,
        partitions,
        counted_since=None if since is None else _hour_ms(since) + settings.max_clock_skew,
        unasked=whole and found.kafka is not None,
    )
    partitions.sort(key=lambda each: (each.topic, each.partition))
    if snapshot.lost:
        commits = commits_of_partitions(evidence, snapshot)
        found.partitions = mark_lost(partitions, snapshot.lost, snapshot.brought_by, commits)
    return found


def _gathered(
    evidence: Evidence, snapshot: RawSnapshot, catalog: Catalog, archive: ArchiveSettings, *, from_first: bool
) -> tuple[RawSnapshot, list[PartitionOffsets]]:
    """Read all records; if a file is damaged, again without it."""
    try:
        with progress("Reading raw records", snapshot.rows, "rows") as advance:
            return snapshot, gather(evidence, snapshot, archive, advance, from_first=from_first)
    except ArchiveError:
        readable = without_damaged(evidence, snapshot, catalog, archive)
        if readable is snapshot:
            raise
    # Records that were read before are kept once, as doubled ones are.
    evidence.forget_malformed_results()
    with progress("Reading raw records", readable.rows, "rows") as advance:
        return readable, gather(evidence, readable, archive, advance, from_first=from_first)


def _mark_counted(found: Findings, events_topic: str) -> None:
    """Offsets that the topic no longer explains are missing if a result's receipt says that they were counted."""
    events = {each.partition: each for each in found.partitions if each.topic == events_topic}
    for group in found.groups:
        for partition, first, last, window in group.lost:
            if partition in events:
                events[partition].mark(first, last, f"counted in the result of window {window}")


def _from_topics(settings: VerifySettings, evidence: Evidence) -> Findings:
    from clickstream_archive.from_topics import gather_topics
    from clickstream_archive.topic_log import TopicLog

    group = settings.archive.group_id or DEFAULT_GROUP
    with TopicLog(settings.archive.kafka) as log, progress("Reading topics", None, "records") as advance:
        partitions = gather_topics(evidence, log, settings.archive, group, advance)
    evidence.finish()
    return Findings("topic", partitions, dead_letters_read=True)


def _hour(since: str | timedelta | None) -> str | None:
    if isinstance(since, timedelta):
        return (datetime.now(UTC) - since).strftime("%Y-%m-%dT%H")
    return since


def _hour_ms(hour: str) -> int:
    return int(datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp() * 1000)
