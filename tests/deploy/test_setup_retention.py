"""How long topics keep their records for the processor's settings, on an API that holds what each test says."""

from typing import Any

import pytest

from clickstream_deploy.retention import in_words
from kit.fake_kubernetes import MADE_BY_SETUP, FakeCluster, processor_deployment, topic

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
# 24 h 1 min 5 s, at worst 1 min 10 s more, and half a day: whole days.
FOR_A_DAY_MS = 2 * DAY_MS
KEPT = ("clickstream-events", "clickstream-window-partials")
PROCESSOR = "clickstream-streams-processor"


def windows_of(cluster: FakeCluster, size: str, *more: tuple[str, str], **settings: str) -> None:
    cluster.programs.rendered[PROCESSOR] = processor_deployment(*more, WINDOW_SIZE=size, **settings)


def existing(cluster: FakeCluster, name: str, retention: str, *, ours: bool = True, **metadata: Any) -> None:
    cluster.api.add(topic(name, retention=retention, labels=MADE_BY_SETUP if ours else {}, **metadata))


def retention_of(cluster: FakeCluster, *names: str) -> dict[str, int]:
    topics = cluster.api.of("KafkaTopic")
    return {name: topics[name]["spec"]["config"]["retention.ms"] for name in names}


def test_new_topics_keep_what_the_longest_windows_need(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    output = cluster.set_up("--window-size 1d")
    assert retention_of(cluster, *KEPT) == dict.fromkeys(KEPT, FOR_A_DAY_MS)
    assert output.count("gets a retention of") == len(KEPT)
    for name in KEPT:
        assert f"topic {name} gets a retention of 48 h instead of 24 h" in output


def test_topics_are_as_their_manifests_for_windows_that_are_short(cluster: FakeCluster) -> None:
    output = cluster.set_up()
    wanted = {each["metadata"]["name"]: each["spec"] for each in cluster.programs.manifests["overlays/dev/topics"]}
    assert {name: each["spec"] for name, each in cluster.api.of("KafkaTopic").items()} == wanted
    assert "retention" not in output


@pytest.mark.parametrize(
    ("size", "settings", "more", "wanted"),
    [
        ("11h", {}, (), {}),
        ("12h", {}, (), dict.fromkeys(KEPT, 2 * DAY_MS)),
        ("90000ms", {"ALLOWED_LATENESS": "1d"}, (), dict.fromkeys(KEPT, 2 * DAY_MS)),
        ("5m", {"OUT_OF_ORDERNESS": "1d"}, (), dict.fromkeys(KEPT, 2 * DAY_MS)),
        # Its results are read back too.
        ("5m", {"ALLOWED_LATENESS": "7d"}, (), dict.fromkeys((*KEPT, "clickstream-metrics"), 8 * DAY_MS)),
        # The last of a name wins in a container's environment, as with extraEnv.
        ("1d", {}, (("WINDOW_SIZE", "10s"),), {}),
        # What the processor itself refuses.
        ("banana", {}, (), {}),
    ],
)
def test_topics_of_ours_that_are_too_short_are_lengthened(
    cluster: FakeCluster,
    size: str,
    settings: dict[str, str],
    more: tuple[tuple[str, str], ...],
    wanted: dict[str, int],
) -> None:
    windows_of(cluster, size, *more, **settings)
    before = {**dict.fromkeys(KEPT, DAY_MS), "clickstream-metrics": 7 * DAY_MS}
    for name, retention in before.items():
        existing(cluster, name, str(retention))
    output = cluster.set_up()
    assert retention_of(cluster, *before) == before | wanted
    assert len(cluster.matching("patch KafkaTopic/")) == len(wanted)
    for name in wanted:
        assert output.count(f"Topic {name} keeps its records for ") == 1


@pytest.mark.parametrize("retention", ["-1", str(30 * DAY_MS), str(FOR_A_DAY_MS), ""])
def test_a_topic_that_keeps_enough_is_never_shortened(cluster: FakeCluster, retention: str) -> None:
    windows_of(cluster, "1d")
    for name in KEPT:
        existing(cluster, name, retention)
    cluster.set_up()
    assert cluster.matching("patch KafkaTopic/") == []


@pytest.mark.parametrize(
    ("retention", "brokers", "fits"),
    [
        (str(DAY_MS), {}, False),
        (str(25 * HOUR_MS), {}, True),
        ("-1", {}, True),
        ("", {}, True),
        ("", {"log.retention.ms": DAY_MS}, False),
        ("", {"log.retention.minutes": 60}, False),
        ("", {"log.retention.hours": 24}, False),
    ],
)
def test_a_foreign_topic_is_refused_with_the_command_that_fixes_it(
    cluster: FakeCluster, retention: str, brokers: dict[str, int], fits: bool
) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", retention, ours=False)
    cluster.kafka()["spec"]["kafka"]["config"] = brokers
    if fits:
        cluster.set_up()
        assert cluster.matching("patch KafkaTopic/") == []
        return
    change = f'{{"spec":{{"config":{{"retention.ms":{FOR_A_DAY_MS}}}}}}}'
    cluster.refuses(
        "setup.sh",
        "the processor needs them for 24 h 1 min 5 s (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS)",
        f"kubectl patch kafkatopic clickstream-events -n kafka --type=merge -p '{change}'",
    )


def test_a_topic_that_strimzi_does_not_manage_is_changed_in_kafka(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS), annotations={"strimzi.io/managed": "false"})
    server = "--bootstrap-server data-on-eks-kafka-bootstrap:9093 --command-config client.properties"
    cluster.fails("setup.sh", f"kafka-configs.sh {server} --alter", f"--add-config retention.ms={FOR_A_DAY_MS}")


def test_a_topic_that_the_values_name_is_looked_at_too(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d", EVENTS_TOPIC="clicks")
    existing(cluster, "clicks", str(DAY_MS), ours=False)
    cluster.refuses("setup.sh", "topic clicks keeps its records for 24 h")


def test_a_dry_run_says_which_topics_it_would_lengthen(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS))
    assert "Would let topic clickstream-events keep its records for 48 h instead of 24 h" in cluster.set_up("--dry-run")
    assert cluster.happened == []


def test_without_the_right_to_lengthen_a_topic_nothing_is_changed(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS))
    cluster.api.denied.add("patch kafkatopics.kafka.strimzi.io")
    cluster.refuses("setup.sh", "patch kafkatopics.kafka.strimzi.io")


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(FOR_A_DAY_MS, "48 h"), (86_465_000, "24 h 1 min 5 s"), (60_000, "1 min"), (1_500, "1 s 500 ms"), (0, "0 ms")],
)
def test_a_duration_is_said_in_words(milliseconds: int, words: str) -> None:
    assert in_words(milliseconds) == words
