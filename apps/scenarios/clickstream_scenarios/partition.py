"""What a partition of requests owes: for each scenario's request a result or a dead letter, since the last commit.

A batch is judged in two steps, because its members are looked up in between: `read` parses the records and finds their
rules, `judge` applies them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from clickstream_kafka.records import DeadLetter, OversizedRecord, Record
from clickstream_scenarios.errors import InvalidRequest
from clickstream_scenarios.member import Member
from clickstream_scenarios.recent_ids import RecentIds
from clickstream_scenarios.requests import BEYOND_ALL_IDS, LeftOut, Request
from clickstream_scenarios.rules import Rule, encode_result

MAX_RESULT_BYTES = 900_000
"""Of a result's JSON: topics take batches of a million bytes."""

MAX_PENDING = 20_000
"""Results and dead letters that wait for their commit; a commit comes before the next records."""

MAX_PENDING_BYTES = 32 * 1024 * 1024

REPEATED = "repeated"
REASONS = ("not_json", "not_object", "missing_field", "bad_timestamp", "too_large", "unknown_scenario")

ReadRecord = Callable[[bytes | None, int], Request | LeftOut]
FindRule = Callable[[int], Rule | None]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """How to restore a partition: the offset from which its request ids must be read again."""

    replay_from: int


@dataclass(frozen=True)
class JudgedResult:
    """A result's JSON, and what metrics say about it."""

    scenario_id: int
    success: bool
    value: bytes


@dataclass(frozen=True)
class Changes:
    """What one transaction writes, and the commit at `offset`; `left_out` counts what was read without a trace."""

    results: tuple[JudgedResult, ...]
    dead_letters: tuple[DeadLetter, ...]
    left_out: Mapping[str, int]
    offset: int
    commit: Commit


@dataclass(frozen=True)
class Entry:
    """A scenario's request with its rule, and the member to look up; "" for none."""

    record: Record
    request: Request
    rule: Rule
    member_id: str


class Partition:
    """The state of a partition at `offset`, the next one to read."""

    def __init__(self, offset: int, read_record: ReadRecord, find_rule: FindRule, recent: RecentIds) -> None:
        self.offset = offset
        self.committed_offset = offset
        self.committed: Commit | None = None
        self.recent = recent
        self._read_record = read_record
        self._find_rule = find_rule
        self._results: list[JudgedResult] = []
        self._letters: list[DeadLetter] = []
        self._left_out: dict[str, int] = {}
        self._bytes = 0

    def has_news(self) -> bool:
        return self.offset != self.committed_offset or self.committed is None

    def is_full(self) -> bool:
        return len(self._results) + len(self._letters) >= MAX_PENDING or self._bytes >= MAX_PENDING_BYTES

    def restore(self, records: Sequence[Record]) -> None:
        """Take note of the request ids of records before `offset`."""
        for record in records:
            try:
                read = self._read_record(record.value, record.timestamp)
                request_id = "" if isinstance(read, LeftOut) else read.request_id
            except InvalidRequest as error:
                request_id = error.request_id
            if request_id:
                self.recent.is_repeated(request_id, record.timestamp, record.offset)

    def read(self, records: Sequence[Record]) -> list[Entry]:
        """Return the requests to judge; refuse and leave out the others."""
        entries = []
        for record in records:
            if isinstance(record, OversizedRecord):
                self._refuse(record, "too_large", "it is in a batch that unpacks to too many bytes; it was not read")
                continue
            try:
                entry = self._entry(record)
            except InvalidRequest as error:
                if not self._is_repeated(error.request_id, record):
                    self._refuse(record, error.reason, str(error))
                continue
            if entry is not None:
                entries.append(entry)
        if records:
            self.offset = records[-1].offset + 1
        return entries

    def judge(self, entries: Sequence[Entry], members: Mapping[str, Member | None]) -> None:
        """Apply the rules; a member that is not among `members` counts as one that is not known."""
        for entry in entries:
            result = entry.rule.apply(entry.request, members.get(entry.member_id) if entry.member_id else None)
            value = encode_result(result)
            if len(value) > MAX_RESULT_BYTES:
                why = f"its result has {len(value)} bytes; at most {MAX_RESULT_BYTES} are written"
                self._refuse(entry.record, "too_large", why)
                continue
            self._results.append(JudgedResult(entry.request.scenario_id, result["success"] == 1, value))
            self._bytes += len(value)

    def changes(self) -> Changes:
        """Return what has to be written."""
        commit = Commit(replay_from=self.recent.replay_from(self.offset))
        return Changes(tuple(self._results), tuple(self._letters), dict(self._left_out), self.offset, commit)

    def commit(self, changes: Changes) -> None:
        """Take note that the changes are written; nothing was read in between."""
        self.committed_offset, self.committed = changes.offset, changes.commit
        self._results.clear()
        self._letters.clear()
        self._left_out.clear()
        self._bytes = 0

    def _entry(self, record: Record) -> Entry | None:
        """Return what is to be judged, or None. Raises InvalidRequest."""
        read = self._read_record(record.value, record.timestamp)
        if isinstance(read, LeftOut):
            self._leave_out(read.value)
            return None
        rule = self._find_rule(read.scenario_id)
        if rule is None or not rule.scenario.active:
            raise InvalidRequest("unknown_scenario", _why_unknown(read.scenario_id, rule), read.request_id)
        if self._is_repeated(read.request_id, record):
            return None
        return Entry(record, read, rule, rule.member_id(read))

    def _is_repeated(self, request_id: str, record: Record) -> bool:
        repeated = bool(request_id) and self.recent.is_repeated(request_id, record.timestamp, record.offset)
        if repeated:
            self._leave_out(REPEATED)
        return repeated

    def _leave_out(self, reason: str) -> None:
        self._left_out[reason] = self._left_out.get(reason, 0) + 1

    def _refuse(self, record: Record, reason: str, error: str) -> None:
        self._letters.append(DeadLetter(record, reason, error))
        self._bytes += len(record.value or b"") + len(record.key or b"")


def _why_unknown(scenario_id: int, rule: Rule | None) -> str:
    if scenario_id == BEYOND_ALL_IDS:
        return "there is no scenario with so large a number"
    return f"there is no scenario {scenario_id}" if rule is None else f"scenario {scenario_id} is not active"
