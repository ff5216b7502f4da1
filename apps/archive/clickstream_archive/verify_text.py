"""What verify found, as JSON and in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from clickstream_archive.findings import Findings
from clickstream_archive.judging import GroupReport
from clickstream_archive.moments import in_seconds
from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.raw import RawFile
from clickstream_archive.verdicts import Verdict

_SHOWN = 20
"""Of each kind, in words; JSON has more."""


def as_result(found: Findings, seconds: float) -> dict[str, Any]:
    """Return the findings for --json."""
    return {
        "command": "verify",
        "source": found.source,
        "complete": found.complete,
        "equal": found.equal,
        "committed_at": None if found.committed_at is None else in_seconds(found.committed_at),
        "kafka": found.kafka,
        "partitions": [_partition(each) for each in found.partitions],
        "lost_files": [_file(each) for each in found.lost],
        "malformed_results": [
            {"partition": partition, "offset": offset, "error": error}
            for partition, offset, error in found.malformed_results
        ],
        "groups": [_group(each) for each in found.groups],
        "seconds": round(seconds, 2),
    }


def in_words(found: Findings, seconds: float) -> str:
    """Return the findings for a reader."""
    lines = [*_partitions(found.partitions), ""]
    lines += [f"✗ {each}" for each in _losses(found)]
    lines += [f"? {each}" for each in _unknowns(found)]
    for group in found.groups:
        lines += _group_lines(group)
    if not found.groups:
        lines.append(f"There are no results yet in the {found.source}, so there is nothing to recount.")
    lines += ["", _verdict(found), f"{seconds:.1f} s"]
    return "\n".join(lines)


def _verdict(found: Findings) -> str:
    unknown = any(each.total(Cause.UNKNOWN) for each in found.partitions)
    whole = "NOT COMPLETE" if not found.complete else "complete but for unknown offsets" if unknown else "complete"
    judged = sum(each.equal + each.different for each in found.groups)
    if not judged:
        return f"The {found.source} is {whole}; no window could be judged."
    equal = "every result equals the recount" if found.equal else "NOT EVERY RESULT EQUALS THE RECOUNT"
    return f"The {found.source} is {whole}, and {equal}."


def _partitions(partitions: Sequence[PartitionOffsets]) -> Iterator[str]:
    if not partitions:
        yield "There are no records."
        return
    width = max(len(each.topic) for each in partitions)
    for each in partitions:
        offsets = f"offsets {each.first:,} to {each.last:,}" if each.rows else "nothing archived"
        notes = [f"{each.rows:,} records"]
        for cause, words in ((Cause.MARKERS, "transaction markers"), (Cause.ABORTED, "aborted")):
            if total := each.total(cause):
                notes.append(f"{total:,} {words}")
        if total := each.total(Cause.UNKNOWN):
            notes.append(f"{total:,} unknown")
        if total := each.total(Cause.MISSING):
            notes.append(f"{total:,} MISSING")
        if each.doubled:
            notes.append(f"{each.doubled_offsets:,} DOUBLED")
        if each.rows and each.ends_at is not None and each.ends_at > each.covered_to + 1:
            notes.append(f"{each.ends_at - each.covered_to - 1:,} not archived yet")
        yield f"{each.topic:<{width}} {each.partition:>3}  {offsets:<32} {', '.join(notes)}"


def _losses(found: Findings) -> Iterator[str]:
    for file in found.lost:
        partitions = _range("partition", file.partitions.first, file.partitions.last) if file.partitions else ""
        offsets = _range("offset", file.offsets.first, file.offsets.last) if file.offsets else "offsets unknown"
        state = f"is damaged, {file.damage}" if file.damage else "is gone"
        held = f"it held {file.rows:,} records of {file.topic}, {partitions}, {offsets}"
        yield f"a data file {state}: {file.path}; {held}"
    for each in found.partitions:
        missing = [gap for gap in each.gaps if gap.cause is Cause.MISSING]
        for gap in missing[:_SHOWN]:
            why = f" ({gap.why})" if gap.why else ""
            yield f"{each.topic} partition {each.partition}: {_range('offset', gap.first, gap.last)} missing{why}"
        if len(missing) > _SHOWN:
            yield f"{each.topic} partition {each.partition}: {len(missing) - _SHOWN} further ranges missing"
        for doubled in each.doubled[:_SHOWN]:
            why = "" if doubled.alike else " by different records: was the topic made again, beside an older archive?"
            offsets = _range("offset", doubled.first, doubled.last)
            yield f"{each.topic} partition {each.partition}: {offsets} doubled{why}"
    for partition, offset, error in found.malformed_results[:_SHOWN]:
        yield f"the record {partition}@{offset} on the metrics topic is no result: {error}"


def _unknowns(found: Findings) -> Iterator[str]:
    for each in found.partitions:
        for gap in each.gaps:
            if gap.cause is Cause.UNKNOWN and gap.why:
                yield f"{each.topic} partition {each.partition}: {_range('offset', gap.first, gap.last)} {gap.why}"
    for topic in sorted({each.topic for each in found.partitions}):
        gaps = [
            (each.partition, gap)
            for each in found.partitions
            if each.topic == topic
            for gap in each.gaps
            if gap.cause is Cause.UNKNOWN and not gap.why
        ]
        if gaps:
            total = sum(gap.offsets for _, gap in gaps)
            places = ", ".join(f"{partition}@{_offsets(gap)}" for partition, gap in gaps[:5])
            more = " …" if len(gaps) > 5 else ""
            why = f"Kafka was not asked: {found.kafka}" if found.kafka else "the topic no longer holds them"
            yield (
                f"{topic}: {total:,} offsets ({places}{more}) are unknown: transaction markers,"
                f" aborted records, or lost records ({why})"
            )


def _group_lines(group: GroupReport) -> Iterator[str]:
    unjudged = group.not_judged.total()
    counts = ", ".join(f"{count:,} {why}" for why, count in sorted(group.not_judged.items()))
    yield (
        f"Windows of {group.group}: {group.equal:,} equal, {group.different:,} different, {unjudged:,} not judged"
        f"{f' ({counts})' if counts else ''}"
    )
    for each in group.differences[:_SHOWN]:
        note = f" — {each.note}" if each.note else ""
        yield f"✗ {_window(each)}: {'; '.join(each.differences[:6])}{note}"
    if group.different > _SHOWN:
        yield f"✗ {group.different - _SHOWN:,} further windows differ (--json names up to 1,000)"
    for text in group.others[:_SHOWN]:
        yield f"✗ {text}"
    for each in group.unjudged[:_SHOWN]:
        assert each.why is not None
        yield f"? {_window(each)}: {each.why.value}{f': {each.note}' if each.note else ''}"
    if unjudged > _SHOWN:
        yield f"? {unjudged - _SHOWN:,} further windows can't be judged"


def _window(verdict: Verdict) -> str:
    return f"{in_seconds(verdict.start)} → {in_seconds(verdict.end)}"


def _range(what: str, first: int, last: int) -> str:
    return f"{what} {first}" if first == last else f"{what}s {first} to {last}"


def _offsets(gap: Gap) -> str:
    return str(gap.first) if gap.first == gap.last else f"{gap.first}-{gap.last}"


def _partition(each: PartitionOffsets) -> dict[str, Any]:
    def ranges(cause: Cause) -> list[dict[str, Any]]:
        found = [gap for gap in each.gaps if gap.cause is cause]
        return [
            {"first": gap.first, "last": gap.last, **({"why": gap.why} if gap.why else {})} for gap in found[:1_000]
        ]

    return {
        "topic": each.topic,
        "partition": each.partition,
        "first": each.first,
        "last": each.last,
        "records": each.rows,
        "missing": ranges(Cause.MISSING),
        "doubled": [{"first": gap.first, "last": gap.last, "alike": gap.alike} for gap in each.doubled[:1_000]],
        "unknown": ranges(Cause.UNKNOWN),
        "missing_offsets": each.total(Cause.MISSING),
        "doubled_offsets": each.doubled_offsets,
        "unknown_offsets": each.total(Cause.UNKNOWN),
        "markers": each.total(Cause.MARKERS),
        "aborted": each.total(Cause.ABORTED),
        "topic_begins_at": each.begins_at,
        "topic_ends_at": each.ends_at,
    }


def _file(file: RawFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "damage": file.damage,
        "topic": file.topic,
        "hour": str(file.hour),
        "records": file.rows,
        "partitions": None if file.partitions is None else [file.partitions.first, file.partitions.last],
        "offsets": None if file.offsets is None else [file.offsets.first, file.offsets.last],
    }


def _group(group: GroupReport) -> dict[str, Any]:
    return {
        "group": group.group,
        "equal": group.equal,
        "different": group.different,
        "not_judged": dict(sorted(group.not_judged.items())),
        "differences": [
            {
                "window_start": in_seconds(each.start),
                "window_end": in_seconds(each.end),
                "differences": list(each.differences),
                "note": each.note,
            }
            for each in group.differences
        ],
        "other_differences": group.others,
        "not_judged_windows": [
            {
                "window_start": in_seconds(each.start),
                "window_end": in_seconds(each.end),
                "why": each.why.value if each.why else "",
                "note": each.note,
            }
            for each in group.unjudged
        ],
    }
