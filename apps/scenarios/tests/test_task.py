"""The task between Kafka and a partition: members that are waited for, versions that change, metrics that go."""

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_kafka.clock import BrokersClock, Clock
from clickstream_kafka.errors import FatalError
from clickstream_kafka.records import LogBounds, Record
from clickstream_kafka.tasks import Replica, TaskSettings
from clickstream_scenarios import instruments, task
from clickstream_scenarios.main import sources
from clickstream_scenarios.member import Member
from clickstream_scenarios.partition import Partition
from clickstream_scenarios.recent_ids import RecentIds
from clickstream_scenarios.requests import read_access_log
from clickstream_scenarios.scenario import Filter, Scenario
from clickstream_scenarios.settings import ScenariosSettings
from clickstream_scenarios.task import MEMBER_WAIT_MS, CompiledRules, RequestsTask

T = 1_795_773_600_000
LOGS = "clickstream-access-logs"


class Store:
    """Rules, and members that are known once they are asked for at `known_at`; each question takes a second."""

    def __init__(self) -> None:
        self.now = T
        self.known_at = T
        self.scenarios = {5: Scenario(5, "t", log_format={"gender": True})}
        self.questions: list[set[str]] = []

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def waits_for(self) -> str:
        return ""

    def scenario(self, scenario_id: int) -> Scenario | None:
        return self.scenarios.get(scenario_id)

    async def find(self, member_ids: Collection[str]) -> Mapping[str, Member | None]:
        self.questions.append(set(member_ids))
        self.now += 1000
        known = self.now >= self.known_at
        return {each: Member(each, "MALE") for each in member_ids if known or each == "cached"}


class Sent:
    """A record of the access logs, of a member."""

    def __init__(self, offset: int, member: str, timestamp: int = T) -> None:
        self.offset, self.timestamp = offset, timestamp
        self.key: bytes | None = None
        self.headers: tuple[tuple[str, bytes], ...] = ()
        line = {"method": "GET", "request_uri": f"/5?memberId={member}", "status": 200}
        self.value: bytes | None = json.dumps(line).encode()


def settings(**environ: str) -> ScenariosSettings:
    return read_settings(ScenariosSettings, prog="", description="", argv=[], environ=environ)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def made(store: Store, monkeypatch: pytest.MonkeyPatch) -> RequestsTask:
    """The task of a partition that is restored at its beginning."""
    monkeypatch.setattr(task, "_MEMBER_PAUSE_S", 0)
    clock = BrokersClock(Clock(lambda: store.now, lambda: store.now - T), max_clock_skew=0)
    replica = Replica({}, cast(Any, None), clock, instruments.KAFKA, TaskSettings(commit_interval=1000))
    rules = CompiledRules(store)
    found = RequestsTask(
        TopicPartition(LOGS, 3),
        cast(Any, None),
        replica,
        settings=settings(),
        read_record=read_access_log,
        rules=rules,
        members=store,
    )
    found._state = Partition(0, read_access_log, rules.find, RecentIds())
    return found


async def results(made: RequestsTask, *records: Record) -> list[dict[str, Any]]:
    await made.judge(records)
    state = made._restored_state()
    changes = state.changes()
    state.commit(changes)
    return [json.loads(each.value) for each in changes.results]


async def test_a_batchs_members_are_asked_for_together_and_once(made: RequestsTask, store: Store) -> None:
    found = await results(made, Sent(0, "1"), Sent(1, "2"), Sent(2, "1"))
    assert [each["gender"] for each in found] == ["MALE"] * 3
    assert store.questions == [{"1", "2"}]


async def test_a_member_is_waited_for_while_the_database_is_away_for_a_moment(made: RequestsTask, store: Store) -> None:
    store.known_at = T + 20_000
    found = await results(made, Sent(0, "1"), Sent(1, "cached"))
    assert [each.get("member_known", True) for each in found] == [True, True]
    assert store.questions[1:] == [{"1"}] * 19, "what is known is not asked for again"


async def test_after_thirty_seconds_requests_count_without_their_member(made: RequestsTask, store: Store) -> None:
    store.known_at = T + 10 * MEMBER_WAIT_MS
    found = await results(made, Sent(0, "1"), Sent(1, "cached"))
    assert store.now - T <= MEMBER_WAIT_MS + 2_000
    assert [each.get("member_known", True) for each in found] == [False, True]
    assert "gender" not in found[0]


async def test_while_the_database_stays_away_requests_are_late_and_do_not_pile_up(
    made: RequestsTask, store: Store
) -> None:
    store.known_at = T + 100 * MEMBER_WAIT_MS
    for batch in range(5):
        newest = store.now
        await results(made, Sent(2 * batch, str(batch), newest - 25_000), Sent(2 * batch + 1, str(batch), newest))
        assert MEMBER_WAIT_MS <= store.now - newest <= MEMBER_WAIT_MS + 2_000
    asked = len(store.questions)
    await results(made, Sent(10, "old", store.now - 60_000))
    assert len(store.questions) == asked + 1, "one that is old enough is not held back again"


async def test_after_the_database_was_back_the_next_outage_is_waited_for_again(
    made: RequestsTask, store: Store
) -> None:
    store.known_at = T + 100 * MEMBER_WAIT_MS
    await results(made, Sent(0, "1"))
    store.known_at = store.now
    await results(made, Sent(1, "2", store.now))
    store.known_at, began = store.now + 15_000, store.now
    (found,) = await results(made, Sent(2, "3", store.now - 60_000))
    assert found["gender"] == "MALE"
    assert store.now - began >= 14_000


async def test_a_new_version_counts_from_the_next_request_on(made: RequestsTask, store: Store) -> None:
    (first,) = await results(made, Sent(0, "1"))
    store.scenarios[5] = Scenario(5, "t", version=2)
    (second,) = await results(made, Sent(1, "1"))
    assert (first["version"], second["version"]) == (1, 2)
    assert "gender" not in second
    del store.scenarios[5]
    assert await results(made, Sent(2, "1")) == []


async def test_results_are_counted_by_scenario_a_scenario_without_successes_too(
    made: RequestsTask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def written(*_: object) -> None:
        """Nothing is written."""

    monkeypatch.setattr(made, "_write", written)
    store.scenarios[5] = Scenario(5, "t", filters=(Filter("gender", "==", "FEMALE"),))
    before = {success: counted(success) or 0.0 for success in "10"}
    await made.judge([Sent(0, "1"), Sent(1, "2")])
    await made.commit(cast(Any, None))
    assert (counted("1"), counted("0")) == (before["1"], before["0"] + 2)


def counted(success: str) -> float | None:
    return REGISTRY.get_sample_value("clickstream_scenarios_results_total", {"success": success, "scenario": "5"})


@pytest.mark.parametrize(
    ("committed", "log", "expected"),
    [
        (None, (7, 90), (7, 7)),
        ((50, '{"replay_from": 20}'), (0, 90), (50, 20)),
        ((50, '{"replay_from": 20}'), (30, 90), (50, 30)),
        ((50, '{"replay_from": 20}'), (60, 90), (60, 60)),
        ((50, ""), (0, 90), (50, 50)),
        ((50, '{"replay_from": 70}'), (0, 90), (50, 50)),
    ],
)
def test_where_a_restart_goes_on(made: RequestsTask, committed: Any, log: Any, expected: tuple[int, int]) -> None:
    class Committed:
        offset, metadata = committed or (0, "")

    assert made._start(Committed() if committed else None, LogBounds(*log)) == expected


def test_a_commit_beyond_the_log_ends_the_program_with_what_to_do(made: RequestsTask) -> None:
    class Committed:
        offset, metadata = 91, ""

    with pytest.raises(FatalError, match="reset the offsets of the group clickstream-scenarios: kafka-consumer-groups"):
        made._start(Committed(), LogBounds(0, 90))


async def test_a_log_that_begins_again_while_it_is_read_ends_the_program_too(made: RequestsTask) -> None:
    await results(made, Sent(0, "1"), Sent(1, "1"))
    with pytest.raises(FatalError, match="is not the log that was committed: offset 0 follows 1"):
        await results(made, Sent(0, "1"))


def test_the_groups_of_the_two_inputs_differ() -> None:
    given = settings(GROUP_ID="mine", EVENTS_TOPIC="events")
    assert (given.group_of(LOGS), given.group_of("events")) == ("mine", "mine-events")


def test_without_rules_the_program_does_not_start() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is not set: expected the database, or"):
        sources(settings())
    with pytest.raises(SettingsError, match="SCENARIOS_FOLDER=/nowhere: expected a folder that exists"):
        settings(SCENARIOS_FOLDER="/nowhere")
