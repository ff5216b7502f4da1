"""`clickstream-archive verify`: is every record there once, and does every result equal the recount?"""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.engine import engine
from clickstream_archive.errors import ArchiveError
from clickstream_archive.evidence import Evidence
from clickstream_archive.findings import Findings
from clickstream_archive.judging import Times, judge_group
from clickstream_archive.offsets import PartitionOffsets
from clickstream_archive.progress import progress
from clickstream_archive.recount import groups
from clickstream_archive.runs import Run, record_run
from clickstream_archive.settings import ArchiveSettings, OutputSettings
from clickstream_archive.verify_text import as_result, in_words
from clickstream_core.durations import parse_duration
from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.logs import configure_logs
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import choice, read_settings, setting, setting_of, switch
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
    settings = read_settings(
        VerifySettings,
        prog="clickstream-archive verify",
        description="Checks that every record is there once, and that every window's last result equals the recount of"
        " the events. Give it the processor's own settings.",
        argv=argv,
    )
    configure_logs(settings.archive.service.log_level, settings.archive.service.log_format, "clickstream-archive")
    apply_to_kafka_python()
    began, started_at = time.monotonic(), datetime.now(UTC)
    with engine(settings.archive.catalog, on_disk=True) as connection:
        evidence = Evidence(connection)
        found = _from_topics(settings, evidence) if settings.source == "topic" else _from_archive(settings, evidence)
        found.malformed_results = evidence.malformed_results
        for group in _wanted(groups(connection), settings):
            report = judge_group(connection, group, settings.archive, settings.times, found.partitions, found.lost)
            found.groups.append(report)
    _mark_counted(found, settings.archive.events_topic)
    seconds = time.monotonic() - began
    result = as_result(found, seconds)
    print(json.dumps(result, ensure_ascii=False) if settings.output.as_json else in_words(found, seconds))
    status = 0 if found.complete and found.equal else 1
    if settings.output.record:
        record_run(settings.archive.catalog, Run("verify", started_at, datetime.now(UTC), status, result))
    return status


def _wanted(known: Sequence[str], settings: VerifySettings) -> Sequence[str]:
    """The groups to be judged. Raises ArchiveError for a group that has no results while others have."""
    wanted = settings.archive.group_id
    if wanted is None:
        return known
    if known and wanted not in known:
        raise ArchiveError(f"GROUP_ID={wanted}: this group has no results; expected one of {', '.join(known)}")
    return [wanted]


def _from_archive(settings: VerifySettings, evidence: Evidence) -> Findings:
    from clickstream_archive.from_archive import commits_of_partitions, gather, raw_snapshot, without_damaged
    from clickstream_archive.lost import mark_lost

    archive = settings.archive
    catalog = open_catalog(archive.catalog)
    snapshot = raw_snapshot(catalog, archive, _hour(settings.since))
    from_first = settings.since is None
    try:
        with progress("Reading raw records", snapshot.rows, "rows") as advance:
            partitions = gather(evidence, snapshot, archive, advance, from_first=from_first)
    except ArchiveError:
        readable = without_damaged(evidence, snapshot, catalog, archive)
        if readable is snapshot:
            raise
        # Records that were read before are kept once, as doubled ones are.
        snapshot, evidence.malformed_results = readable, []
        with progress("Reading raw records", snapshot.rows, "rows") as advance:
            partitions = gather(evidence, snapshot, archive, advance, from_first=from_first)
    evidence.finish()
    found = Findings("archive", partitions, list(snapshot.lost), committed_at=snapshot.committed_at)
    found.kafka = _ask_topics(settings, partitions)
    if snapshot.lost:
        commits = commits_of_partitions(evidence, snapshot)
        found.partitions = mark_lost(partitions, snapshot.lost, snapshot.brought_by, commits)
    return found


def _ask_topics(settings: VerifySettings, partitions: list[PartitionOffsets]) -> str | None:
    """Explain gaps by what the topics hold; return why Kafka was not asked, None if it was.

    Partitions that the topics have and the archive does not are added, unless only later hours are looked at.
    """
    from clickstream_archive.topic_log import TopicLog, TopicUnavailable
    from clickstream_archive.unarchived import unarchived

    if settings.offline:
        return "--offline"
    try:
        with ExitStack() as stack:
            log = stack.enter_context(TopicLog(settings.archive.kafka))
            for each in partitions:
                bounds = log.bounds(each.topic).get(each.partition)
                if bounds is None or bounds[1] <= each.last:
                    continue  # another topic of that name, or none
                each.begins_at, each.ends_at = bounds
                each.gaps = list(log.explained(each.topic, each.partition, each.gaps))
            if settings.since is None:
                partitions += unarchived(log, settings.archive, partitions)
                partitions.sort(key=lambda each: (each.topic, each.partition))
    except TopicUnavailable as error:
        return str(error)
    return None


def _mark_counted(found: Findings, events_topic: str) -> None:
    """Offsets that the topic no longer explains are missing if a result's receipt says that they were counted."""
    events = {each.partition: each for each in found.partitions if each.topic == events_topic}
    for group in found.groups:
        for partition, first, last, window in group.lost:
            if partition in events:
                events[partition].mark(first, last, f"counted in the result of window {window}")


def _from_topics(settings: VerifySettings, evidence: Evidence) -> Findings:
    from clickstream_archive.from_topics import gather
    from clickstream_archive.topic_log import TopicLog

    group = settings.archive.group_id or DEFAULT_GROUP
    with TopicLog(settings.archive.kafka) as log, progress("Reading topics", None, "records") as advance:
        partitions = gather(evidence, log, settings.archive, group, advance)
    evidence.finish()
    return Findings("topic", partitions)


def _hour(since: str | timedelta | None) -> str | None:
    if isinstance(since, timedelta):
        return (datetime.now(UTC) - since).strftime("%Y-%m-%dT%H")
    return since
