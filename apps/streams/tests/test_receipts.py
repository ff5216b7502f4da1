"""Receipts against an oracle: whatever a partition has met, in whatever transactions and after whatever restarts."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import msgspec
import pytest
from counted_by import make_counting
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clickstream_core.events import CountedEvent
from clickstream_core.receipts import MOST_RECEIPT_BYTES, PartitionReceipt
from clickstream_core.timestamps import format_milliseconds
from clickstream_core.window_metrics import encode_window_metrics
from clickstream_kafka.records import OversizedRecord, Record
from clickstream_kafka.transactions import MAX_BATCH_BYTES, MIN_MESSAGE_BYTES
from clickstream_streams import refusals
from clickstream_streams.columns import columns_of
from clickstream_streams.commits import EventsCommit, decode_commit, encode_commit
from clickstream_streams.counts import MOST_KINDS_SHOWN, PartialCounts, WindowCounts, merged_metrics
from clickstream_streams.partials import Partial, decode_counts, split
from clickstream_streams.partition import Partition
from clickstream_streams.refusals import REASONS, CommittedRefusals, OpenWindow, Refusals, committed_refusals
from clickstream_streams.spans import Span, share_receipt
from clickstream_streams.watermarks import PartitionWatermark
from clickstream_streams.windows import CountingRules

pytestmark = pytest.mark.usefixtures("each_counting")

RULES = CountingRules(10_000, "event", 4_000)
NOW = 1_729_938_600_000
FIRST = 100
NAMES = ("user_id", "session_id", "event_type", "page_url", "referrer", "device_type")


@dataclass
class Stored:
    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass
class Processor:
    """One partition's processor, its log, and what it has written."""

    log: list[Record] = field(default_factory=list)
    end: int = FIRST
    partials: dict[int, list[PartialCounts]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[int, str] = field(default_factory=dict)
    commit: EventsCommit = field(default_factory=lambda: EventsCommit(rules=RULES, replay_from=FIRST, joined=True))
    committed: int = FIRST
    unknown_before: int = FIRST

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As after kill -9: from the commit and the log alone."""
        commit = decode_commit(encode_commit(self.commit), EventsCommit)
        assert commit is not None
        watermark = PartitionWatermark(out_of_orderness=2_000, idle_timeout=3_000, monotonic=0, value=commit.watermark)
        self.state = Partition(
            commit, self.committed, watermark, make_counting(commit.rules, 100), allowed_lateness=5_000
        )
        self.state.restore([each for each in self.log if commit.replay_from <= each.offset < self.committed])
        self.state.restored()

    def process(self, most: int) -> None:
        records = [each for each in self.log if each.offset >= self.state.offset][:most]
        if records:
            self.state.process(records, clock=NOW + 3_600_000, monotonic=0)

    def write(self) -> None:
        changes = self.state.changes()
        for window, partial in changes.partials.items():
            payload = b"".join(part.payload for part in split(RULES, 0, window, partial))
            self.partials[window] = [*([] if partial.whole else self.partials[window]), decode_counts(payload)]
        self.refused |= {letter.record.offset: letter.reason for letter in changes.dead_letters}
        self.commit, self.committed = changes.commit, changes.offset
        self.state.commit(changes)

    def commit_as_an_older_version(self) -> None:
        """It knows nothing of refusals, and what it was written does not come back."""
        self.write()
        self.commit = msgspec.structs.replace(self.commit, refused=None)
        self.unknown_before = self.committed
        self.restart()

    def receipts(self) -> dict[int, PartitionReceipt]:
        found = {}
        for window, partials in self.partials.items():
            receipt = share_receipt([each.span for each in partials], sum(each.total_events for each in partials))
            assert receipt is not None
            found[window] = receipt
        return found


KINDS = st.sampled_from(["event"] * 8 + ["not_json", "not_object", "future", "too_large"])
RECORDS = st.lists(st.tuples(KINDS, st.integers(-30, 3), st.integers(0, 4), st.booleans()), max_size=12)
STEPS = st.lists(
    st.one_of(
        RECORDS,
        st.integers(1, 12),
        st.sampled_from(["write", "write", "restart", "older version"]),
    ),
    max_size=40,
)


def append(processor: Processor, times: dict[int, int], step: list[tuple[str, int, int, bool]]) -> None:
    for kind, behind, further, gap in step:
        now = NOW + 3_000 * (processor.end - FIRST) // 4 + further * 1_000
        time = now + behind * 1_000
        processor.end += gap
        offset = processor.end
        timestamp = format_milliseconds(time + 60_000 if kind == "future" else time)
        event = {"timestamp": timestamp, **dict.fromkeys(NAMES, "x"), "duration_ms": 1}
        value = {"not_json": b"{", "not_object": b"[]"}.get(kind, msgspec.json.encode(event))
        record: Record = OversizedRecord(offset, now) if kind == "too_large" else Stored(offset, max(now, time), value)
        processor.log.append(record)
        processor.end += 1
        if kind == "event":
            times[offset] = time


@pytest.mark.parametrize("room", [2_500, 60])
def test_receipts_are_those_of_an_oracle_after_any_restarts(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one open window in a commit, some refusals are unknown, and none is wrong."""
    monkeypatch.setattr(refusals, "MOST_OPEN_BYTES", room)
    known = Counter[bool]()

    @settings(max_examples=150)
    @given(STEPS)
    @example([[("event", 0, 0, False)] * 3, 2, "older version", "restart"])
    def run(steps: list[list[tuple[str, int, int, bool]] | int | str]) -> None:
        processor, times = Processor(), dict[int, int]()
        for step in [*steps, 1_000]:
            match step:
                case list():
                    append(processor, times, step)
                case int():
                    processor.process(step)
                case "write":
                    processor.write()
                case "restart":
                    processor.restart()
                case "older version":
                    processor.commit_as_an_older_version()
        append(processor, {}, [("event", 100, 0, False)])
        processor.process(1_000)
        processor.write()

        counted: dict[int, list[int]] = defaultdict(list)
        for offset, time in times.items():
            if offset not in processor.refused:
                counted[RULES.window_of(time)].append(offset)
        receipts = processor.receipts()
        assert set(receipts) == set(counted)
        for window, offsets in counted.items():
            found, first, last = receipts[window], offsets[0], offsets[-1]
            assert (found.first, found.last, found.counted) == (first, last, len(offsets))
            among = Counter(reason for offset, reason in processor.refused.items() if first < offset < last)
            assert found.refused in (None, among)
            if room > 60 and first >= processor.unknown_before:
                assert found.refused is not None
            known[found.refused is not None] += 1

    run()
    assert known[True] > known[False] > 0


@given(st.lists(st.integers(0, 60).map(lambda number: number * 10_000), min_size=1, max_size=200))
def test_each_window_of_a_batch_has_its_first_and_last_offset_however_many_there_are(windows: list[int]) -> None:
    records: list[Record] = []
    for number, window in enumerate(windows):
        event = {"timestamp": format_milliseconds(NOW + window), **dict.fromkeys(NAMES, "x"), "duration_ms": 1}
        records.append(Stored(FIRST + 3 * number, NOW + 600_000, msgspec.json.encode(event)))
    columns = columns_of(records, RULES, believed_to=NOW + 600_000)
    assert columns is not None
    expected = defaultdict(list)
    for record, window in zip(records, windows, strict=True):
        expected[NOW + window].append(record.offset)
    assert columns.offsets == {window: (offsets[0], offsets[-1]) for window, offsets in expected.items()}


def test_an_older_version_reads_partials_with_spans() -> None:
    """Its struct has eight fields; msgspec leaves out further elements of an array."""
    older = msgspec.defstruct(
        "PartialCounts",
        [(name, kind) for name, kind in PartialCounts.__annotations__.items() if name != "span"],
        namespace={"__module__": PartialCounts.__module__},
        frozen=True,
        array_like=True,
    )
    processor = Processor()
    append(processor, {}, [("event", 0, 0, False), ("event", 100, 0, False)])
    processor.process(10)
    (partial,) = processor.state.changes().partials.values()
    payload = b"".join(part.payload for part in split(RULES, 0, 0, partial))
    assert msgspec.msgpack.decode(payload, type=older).total_events == 1  # type: ignore[attr-defined]


def test_the_largest_result_and_the_largest_receipt_fit_into_a_batch() -> None:
    counts = WindowCounts(1_000)
    names = [f"{number:04}".rjust(256, "\x01") for number in range(1_000)]  # \u0001 in JSON, six bytes for one
    counts.add([CountedEvent("", name, name, name, name, name, name, 2**62) for name in names])
    result = merged_metrics(NOW, NOW + 10_000, [counts.snapshot()] * 3)
    assert len(result.event_types) == len(result.devices) == MOST_KINDS_SHOWN
    record = len(encode_window_metrics(result)) + MOST_RECEIPT_BYTES + 1_000
    assert record < MAX_BATCH_BYTES < MIN_MESSAGE_BYTES


def test_a_share_with_a_partial_of_an_older_version_has_no_receipt() -> None:
    processor = Processor()
    append(processor, {}, [("event", 0, 0, False), ("event", 100, 0, False)])
    processor.process(10)
    (partial,) = processor.state.changes().partials.values()
    older = msgspec.structs.replace(partial.counts, span=None)
    written = b"".join(part.payload for part in split(RULES, 0, 0, Partial(older, whole=True)))
    spans = [partial.counts.span, decode_counts(written).span]
    assert share_receipt(spans[:1], 1) is not None
    assert share_receipt(spans, 2) is None


def test_refusals_before_a_restart_with_a_commit_of_an_older_version_are_unknown() -> None:
    span = Span(5, 30, Refusals(0, (1,)), Refusals(20, ()))
    receipt = share_receipt([span], 2)
    assert receipt is not None
    assert receipt.refused is None
    assert share_receipt([Span(5, 30, Refusals(20), Refusals(20))], 2) == PartitionReceipt(5, 30, 2, None)


def test_counts_of_reasons_that_a_later_version_has_added_are_unknown() -> None:
    counts = (0,) * len(REASONS) + (3,)
    assert refusals.refused_between(5, Refusals(0), Refusals(0, counts)) is None


def test_a_commit_names_the_windows_whose_refusals_a_replay_can_not_tell() -> None:
    total = Refusals(0, (4,))
    windows = {30: (total, total), 10: (Refusals(0), Refusals(0, (2,))), 20: (Refusals(0, (1,)), total)}
    assert committed_refusals(total, windows) == CommittedRefusals(
        total, (OpenWindow(10, Refusals(0), Refusals(0, (2,))), OpenWindow(20, Refusals(0, (1,)), total))
    )


def test_a_commit_has_room_for_forty_open_windows_and_stays_below_what_kafka_takes() -> None:
    total = Refusals(10**10, (10**6,))
    windows = {NOW + each * 1_000: (Refusals(10**10, (each,)), Refusals(10**10, (10**5,))) for each in range(500)}
    committed = committed_refusals(total, windows)
    assert len(committed.open) >= 40
    assert committed.cut_at == committed.open[-1].window + 1_000
    largest = Refusals(2**63 - 1, (2**63 - 1,) * len(REASONS))
    open_ = dict.fromkeys(range(500), (largest, largest))
    commit = EventsCommit(rules=RULES, replay_from=2**63 - 1, refused=committed_refusals(total, open_))
    assert len(encode_commit(commit)) < 4096
