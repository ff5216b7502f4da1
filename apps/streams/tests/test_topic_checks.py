"""How the processor treats topics that may have been made without it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clickstream_core.settings import read_settings
from clickstream_kafka.errors import FatalError
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.topic_checks import allowed_ahead, check_topics, how_to_refuse_clocks_ahead

TOPIC_AUTHORIZATION_FAILED = 29
EVENTS, PARTIALS, METRICS = "clickstream-events", "clickstream-window-partials", "clickstream-metrics"
FINE = {
    "retention.ms": "86400000",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "60000",
}
UNLIMITED = str(2**63 - 1)


class Admin:
    """An admin client whose brokers know the topics' settings, FINE but for these."""

    def __init__(self, changes: dict[str, dict[str, str]] | None = None, error_code: int = 0) -> None:
        self._changes = changes or {}
        self._error_code = error_code

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        (resource,) = resources
        ours = {"message.timestamp.type": "LogAppendTime"} if resource.name in (PARTIALS, METRICS) else {}
        entries = [
            *{**FINE, **ours, **self._changes.get(resource.name, {})}.items(),
            ("leader.replication.throttled", None),
        ]
        return [SimpleNamespace(resources=[(self._error_code, "", 2, resource.name, entries)])]


async def check(admin: Admin, **environ: str) -> None:
    settings = read_settings(StreamsSettings, prog="test", description="", argv=[], environ=environ)
    client: Any = admin
    await check_topics(client, settings, {PARTIALS: 1})


async def test_topics_as_the_product_makes_them_are_fine(caplog: pytest.LogCaptureFixture) -> None:
    await check(Admin())
    assert caplog.records == []


@pytest.mark.parametrize("topic", [PARTIALS, METRICS])
async def test_a_topic_that_takes_less_at_once_than_is_written_is_refused_with_the_command_that_fixes_it(
    topic: str,
) -> None:
    await check(Admin({topic: {"max.message.bytes": "1000000"}}))
    with pytest.raises(FatalError) as refusal:
        await check(Admin({topic: {"max.message.bytes": "999999"}}), KAFKA_BOOTSTRAP_SERVERS="kafka:9094")
    assert str(refusal.value) == (
        f"{topic} takes at most 999999 bytes at once, the processor may write more: kafka-configs.sh --bootstrap-server"
        f" kafka:9094 --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes=1000000"
    )


@pytest.mark.parametrize("topic", [EVENTS, PARTIALS, METRICS])
@pytest.mark.parametrize(
    ("environ", "needed", "kept"),
    [
        ({"WINDOW_SIZE": "1d"}, "86465s", 2),
        ({"ALLOWED_LATENESS": "7d"}, "605105s", 8),
        ({"OUT_OF_ORDERNESS": "1d"}, "1446m", 2),
        ({"WINDOW_SIZE": "12h", "OUT_OF_ORDERNESS": "12h", "ALLOWED_LATENESS": "1s"}, "86401s", 2),
    ],
)
async def test_a_topic_that_forgets_what_a_restart_must_replay_is_refused_with_the_command_that_fixes_it(
    topic: str, environ: dict[str, str], needed: str, kept: int
) -> None:
    enough = {"retention.ms": "1000000000"}
    admin = Admin({name: enough for name in (EVENTS, PARTIALS, METRICS) if name != topic})
    with pytest.raises(FatalError) as refusal:
        await check(admin, KAFKA_BOOTSTRAP_SERVERS="kafka:9094", **environ)
    error = str(refusal.value)
    assert error.startswith(f"{topic} keeps records for 1d, a restart must replay {needed} (WINDOW_SIZE + OUT_OF_")
    assert error.endswith(
        f"kafka-configs.sh --bootstrap-server kafka:9094 --alter --entity-type topics --entity-name {topic}"
        f" --add-config retention.ms={kept * 86_400_000}"
    )
    assert "\n" not in error


async def test_a_limit_of_bytes_is_refused_because_it_says_nothing_about_time() -> None:
    with pytest.raises(FatalError, match=r"1073741824 bytes of a partition.*--add-config retention.bytes=-1$"):
        await check(Admin({EVENTS: {"retention.bytes": "1073741824"}}))


async def test_all_topics_that_forget_too_early_are_named_at_once() -> None:
    with pytest.raises(FatalError, match=f"^{EVENTS} .*; {PARTIALS} .*; {METRICS} "):
        await check(Admin(), WINDOW_SIZE="1d")


async def test_a_topic_that_holds_enough_but_at_worst_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    await check(Admin({EVENTS: {"retention.ms": "400000"}}))
    (record,) = caplog.records
    assert "keeps records for 400s, a restart must replay 435s" in record.getMessage()
    assert "--add-config retention.ms=86400000" in record.getMessage()


async def test_settings_that_may_not_be_looked_at_are_said(caplog: pytest.LogCaptureFixture) -> None:
    await check(Admin(error_code=TOPIC_AUTHORIZATION_FAILED), WINDOW_SIZE="1d")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"can't check whether the retention of {topic} is long enough" for topic in (EVENTS, PARTIALS, METRICS)
    ]


@pytest.mark.parametrize(
    ("changes", "allowed", "remedy"),
    [
        ({"message.timestamp.after.max.ms": "3600000"}, "up to 1h", "message.timestamp.after.max.ms=60000"),
        ({"message.timestamp.after.max.ms": UNLIMITED}, "any time", "message.timestamp.after.max.ms=60000"),
        ({"message.timestamp.after.max.ms": "60001"}, "up to 60001ms", "message.timestamp.after.max.ms=60000"),
    ],
)
async def test_an_events_topic_that_accepts_clocks_that_run_ahead_is_named(
    caplog: pytest.LogCaptureFixture, changes: dict[str, str], allowed: str, remedy: str
) -> None:
    await check(Admin({EVENTS: changes}))
    (record,) = caplog.records
    assert f"whose timestamps are {allowed} ahead of the clock, MAX_CLOCK_SKEW is 1m" in record.getMessage()
    assert record.getMessage().endswith(f"--entity-name {EVENTS} --add-config {remedy}")


@pytest.mark.parametrize(
    "changes", [{"message.timestamp.after.max.ms": "3600000", "message.timestamp.type": "LogAppendTime"}, {}]
)
async def test_a_topic_that_accepts_none_is_not_named(
    caplog: pytest.LogCaptureFixture, changes: dict[str, str]
) -> None:
    await check(Admin({EVENTS: changes, METRICS: {"message.timestamp.after.max.ms": UNLIMITED}}))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (PARTIALS, "not the brokers': so no replica learns how far its clock is off, each goes by its own"),
        (METRICS, "not the brokers'. To have that: kafka-configs"),
    ],
)
async def test_a_topic_of_ours_without_the_brokers_time_is_named_with_the_command_that_fixes_it(
    caplog: pytest.LogCaptureFixture, topic: str, said: str
) -> None:
    await check(Admin({topic: {"message.timestamp.type": "CreateTime"}}))
    (record,) = caplog.records
    assert f"records on {topic} have the time of the replica that writes them, {said}" in record.getMessage()
    assert record.getMessage().endswith(f"--entity-name {topic} --add-config message.timestamp.type=LogAppendTime")


AFTER, DIFFERENCE = "message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"


@pytest.mark.parametrize(
    ("config", "allowed", "remedy"),
    [
        ({DIFFERENCE: UNLIMITED}, 2**63 - 1, {DIFFERENCE: "60000"}),  # before Kafka 3.6
        ({DIFFERENCE: "60000"}, 60_000, {}),
        ({DIFFERENCE: "3600000", AFTER: UNLIMITED}, 3_600_000, {AFTER: "60000"}),  # Kafka 3.6 to 3.9
        ({DIFFERENCE: UNLIMITED, AFTER: "60000"}, 60_000, {}),
        ({DIFFERENCE: "1000", AFTER: "3600000"}, 3_600_000, {AFTER: "60000"}),
        ({}, 0, {}),  # may not be looked at
    ],
)
def test_older_brokers_have_one_limit_for_both_directions(
    config: dict[str, str], allowed: int, remedy: dict[str, str]
) -> None:
    assert allowed_ahead(config) == allowed
    assert how_to_refuse_clocks_ahead(config, 60_000) == remedy


def test_no_topic_is_asked_to_refuse_clocks_that_are_right() -> None:
    assert how_to_refuse_clocks_ahead({AFTER: "60000"}, 0) == {AFTER: "1000"}
    assert how_to_refuse_clocks_ahead({AFTER: "1000"}, 0) == {}


async def test_a_partials_topic_with_several_partitions_is_refused() -> None:
    settings = read_settings(StreamsSettings, prog="test", description="", argv=[], environ={})
    with pytest.raises(FatalError, match=f"PARTIALS_TOPIC={PARTIALS} has 2 partitions; it must have exactly one"):
        await check_topics(cast(Any, Admin()), settings, {PARTIALS: 2})
