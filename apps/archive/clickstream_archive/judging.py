"""Judges all windows of a group from the evidence, and its dead letters."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from duckdb import DuckDBPyConnection

from clickstream_archive.moments import FOREVER, NEVER, in_seconds
from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.raw import Hour, RawFile
from clickstream_archive.recount import Window, prepare, recount_within, windows
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.sizes import Extra, Sizes
from clickstream_archive.standing import letters_until, prepare_standing, results_until, settled_records, standing
from clickstream_archive.verdicts import Edges, Receipt, Share, Traced, Verdict, judge
from clickstream_core.durations import describe_duration

_HOUR_MS = 3_600_000

_MOST_SHOWN = 1_000
_MALFORMED = ("not_json", "not_object", "missing_field", "wrong_type", "bad_timestamp")


@dataclass(frozen=True)
class Times:
    """The processor's durations in milliseconds, and whether it counts by arrival."""

    out_of_orderness: int
    allowed_lateness: int
    idle_timeout: int
    max_clock_skew: int
    by_arrival: bool


@dataclass
class GroupReport:
    """What was found about a group. At most _MOST_SHOWN verdicts of each kind are kept, all are counted."""

    group: str
    equal: int = 0
    different: int = 0
    not_judged: Counter[str] = field(default_factory=Counter)
    differences: list[Verdict] = field(default_factory=list)
    unjudged: list[Verdict] = field(default_factory=list)
    lost: list[tuple[int, int, int, str]] = field(default_factory=list)
    """Partition, first and last offset of records that a result counted and that are not there, and which result."""

    others: list[str] = field(default_factory=list)
    """Differences that belong to no window: results or dead letters that are there twice, or contradict a record."""

    @property
    def is_equal(self) -> bool:
        return not self.different and not self.others


def judge_group(
    connection: DuckDBPyConnection,
    group: str,
    settings: ArchiveSettings,
    times: Times,
    partitions: Sequence[PartitionOffsets],
    lost: Sequence[RawFile] = (),
    *,
    dead_letters_read: bool = False,
) -> GroupReport:
    """Return the report. `lost` are files that are gone; they may have held partitions that `partitions` has not.

    `dead_letters_read` is whether the dead letters are known to be there to the end of their topic.
    """
    sizes = prepare(connection, group, settings.events_topic, by_arrival=times.by_arrival)
    until = NEVER if _waiting(partitions, settings.metrics_topic) else results_until(connection)
    letters = letters_until(connection, read_to_end=dead_letters_read)
    prepare_standing(connection, group, until, letters)
    edges = _edges(connection, group, settings, times, partitions, lost, sizes, until)
    found = GroupReport(group)

    def trace(window: Window, receipt: Receipt) -> Traced:
        return _trace(connection, window, receipt, letters)

    for verdict in chain(map(_extra, sizes.extra), (judge(each, edges, trace) for each in windows(connection))):
        if verdict.equal:
            found.equal += 1
        elif verdict.why is not None:
            found.not_judged[verdict.why.value] += 1
            found.lost += [(*each, in_seconds(verdict.start)) for each in verdict.lost]
            if len(found.unjudged) < _MOST_SHOWN:
                found.unjudged.append(verdict)
        else:
            found.different += 1
            if len(found.differences) < _MOST_SHOWN:
                found.differences.append(verdict)
    found.others = list(_others(connection, group, edges))
    return found


def _extra(window: Extra) -> Verdict:
    size = describe_duration(window.regular_size)
    return Verdict(window.start, window.end, differences=(f"its events are in the results of windows of {size} too",))


def _waiting(partitions: Sequence[PartitionOffsets], topic: str) -> bool:
    """Whether there is a partition of the topic with records of which none are archived yet."""
    return any(each.topic == topic and not each.rows and each.total(Cause.UNKNOWN) for each in partitions)


def _edges(
    connection: DuckDBPyConnection,
    group: str,
    settings: ArchiveSettings,
    times: Times,
    partitions: Sequence[PartitionOffsets],
    lost: Sequence[RawFile],
    sizes: Sizes,
    results_until: int,
) -> Edges:
    events = [each for each in partitions if each.topic == settings.events_topic]
    results = [each for each in partitions if each.topic == settings.metrics_topic]
    letters = [each for each in partitions if each.topic == settings.dead_letter_topic]
    lost_results = [_hour_gap(each.hour) for each in lost if each.topic == settings.metrics_topic]
    late = {each.partition for each in events if each.first > 0}
    begins = [row[1] for row in _first_arrivals(connection) if row[0] in late]
    first = connection.execute("SELECT min(window_start) FROM last_results").fetchone()
    unnamed = connection.execute(
        "SELECT 1 FROM dead_letters WHERE writer = ? AND source_offset IS NULL LIMIT 1", [group]
    ).fetchone()
    return Edges(
        complete_from=max(begins) + times.max_clock_skew if begins else NEVER,
        settled_to=_settled_to(connection, results_until, times),
        first={each.partition: min([each.first, *_missing(each)]) for each in events},
        last={each.partition: max([each.last, *_missing(each)]) for each in events},
        gaps={each.partition: each.gaps for each in events},
        result_gaps=[gap for each in results for gap in each.gaps if _held_records(gap)] + lost_results,
        first_result=first[0] if first and first[0] is not None else FOREVER,
        unnamed_dead_letters=unnamed is not None,
        lost_dead_letters=any(each.total(Cause.MISSING) for each in letters)
        or any(each.topic == settings.dead_letter_topic for each in lost),
        changed_at=sizes.changed_at,
        late_ms=times.out_of_orderness + times.allowed_lateness + times.idle_timeout,
        skew_ms=times.max_clock_skew,
    )


def _missing(partition: PartitionOffsets) -> Iterator[int]:
    """The ends of the gaps whose records are known to be missing: the archive should have them."""
    for each in partition.gaps:
        if each.cause is Cause.MISSING:
            yield from (each.first, each.last)


def _held_records(gap: Gap) -> bool:
    """Whether records are or may be lost. A single unknown offset is taken for the marker that each commit leaves."""
    return gap.cause is Cause.MISSING or (gap.cause is Cause.UNKNOWN and gap.offsets > 1)


def _hour_gap(hour: Hour) -> Gap:
    """What a lost file of this hour held, as a gap at unknown offsets."""
    if hour.start is None:
        return Gap(0, 0, None, None, Cause.MISSING)
    start = int(hour.start.timestamp() * 1000)
    return Gap(0, 0, start, start + _HOUR_MS, Cause.MISSING)


def _settled_to(connection: DuckDBPyConnection, results_until: int, times: Times) -> int:
    """Until which end windows can't change any more.

    A result of a window that ends ALLOWED_LATENESS later shows that this one is over, and its last revision is there by
    `results_until`. Results whose receipts were not believed don't count, if there are others.
    """
    row = connection.execute(
        """SELECT max(window_end) FROM last_results WHERE arrived <= $until
        AND (NOT EXISTS (SELECT 1 FROM proven) OR (window_start, window_end) IN (
            SELECT window_start, window_end FROM proven))""",
        {"until": results_until},
    ).fetchone()
    return NEVER if row is None or row[0] is None else int(row[0]) - times.allowed_lateness


def _first_arrivals(connection: DuckDBPyConnection) -> list[tuple[int, int]]:
    return connection.execute('SELECT "partition", arg_min(arrived, "offset") FROM events GROUP BY 1').fetchall()


def _trace(connection: DuckDBPyConnection, window: Window, receipt: Receipt, letters_until: int) -> Traced:
    ranges = [(number, each.first, each.last) for number, each in receipt.items()]
    within = recount_within(connection, window.start, window.end, ranges)
    counted = dict(connection.execute("SELECT number, count(*) FROM within GROUP BY 1").fetchall())
    refused = dict(
        connection.execute(
            "SELECT r.number, count(*) FROM refused l JOIN ranges r ON r.number = l.source_partition"
            " AND l.source_offset BETWEEN r.low AND r.high GROUP BY 1"
        ).fetchall()
    )
    lettered = window.result is not None and window.result.at <= letters_until
    outside = f"""SELECT c."partition", c."offset" FROM counted c
        ANTI JOIN ranges r ON r.number = c."partition" AND c."offset" BETWEEN r.low AND r.high
        WHERE c.window_start = {window.start} AND c.window_end = {window.end}"""
    shares = {
        number: Share(each, counted.get(number, 0), refused.get(number, 0), lettered)
        for number, each in receipt.items()
    }
    return Traced(shares, within, standing(connection, outside))


def _others(connection: DuckDBPyConnection, group: str, edges: Edges) -> Iterator[str]:
    twice = connection.execute(
        'SELECT window_start, revision, list("partition" || \'@\' || "offset" ORDER BY "offset") FROM results'
        " WHERE writer = ? GROUP BY window_start, window_end, revision HAVING count(*) > 1 ORDER BY 1 LIMIT 100",
        [group],
    ).fetchall()
    for start, revision, places in twice:
        yield f"window {in_seconds(start)} has revision {revision} {len(places)} times ({', '.join(places[:5])})"
    for partition, offset, count in connection.execute(
        "SELECT source_partition, source_offset, n FROM refused WHERE n > 1 ORDER BY 1, 2 LIMIT 100"
    ).fetchall():
        yield f"record {partition}@{offset} has {count} dead letters"
    malformed = ", ".join(f"'{each}'" for each in _MALFORMED)
    for partition, offset, reason, found in connection.execute(
        f"""SELECT e."partition", e."offset", r.reason, e.reason FROM refused r
        JOIN events e ON e."partition" = r.source_partition AND e."offset" = r.source_offset
        WHERE (e.reason IS NOT NULL AND r.reason <> e.reason AND r.reason <> 'too_large')
        OR (e.reason IS NULL AND r.reason IN ({malformed}) AND r.reason <> 'bad_timestamp') ORDER BY 1, 2 LIMIT 100"""
    ).fetchall():
        yield f"record {partition}@{offset} has a dead letter that says {reason}, but it is {found or 'an event'}"
    if edges.unnamed_dead_letters or edges.lost_dead_letters:
        return
    without = """SELECT e.* FROM events e
        ANTI JOIN refused r ON r.source_partition = e."partition" AND r.source_offset = e."offset"
        WHERE e.reason IS NOT NULL AND e.arrived >= (SELECT min(arrived) FROM last_results)"""
    for partition, offset, reason in connection.execute(
        f'SELECT "partition", "offset", reason FROM ({settled_records(without)}) ORDER BY 1, 2 LIMIT 100'
    ).fetchall():
        yield f"record {partition}@{offset} is no event ({reason}), but has no dead letter"
