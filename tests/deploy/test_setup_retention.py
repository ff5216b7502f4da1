"""How long topics keep their records for the processor's settings, with a kubectl and a helm that answer as told."""

import json

import pytest

from kit.fake_cluster import FakeCluster, changes, processor_deployment

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
# Twice 24 h 1 min 5 s, up to the next hour.
FOR_A_DAY_MS = 49 * HOUR_MS
KEPT = ("clickstream-events", "clickstream-window-partials")


def windows_of(cluster: FakeCluster, size: str, **settings: str) -> None:
    cluster.answer("helm template clickstream-streams-processor ", processor_deployment(WINDOW_SIZE=size, **settings))


def existing(cluster: FakeCluster, topic: str, retention: str, maker: str = "setup.sh", managed: str = "") -> None:
    cluster.answer(f"get kafkatopics.* {topic} ", f"there|data-on-eks||6|1|{retention}|{maker}|{managed}")


def raised(calls: list[str]) -> dict[str, int]:
    """What changes of KafkaTopics set retention.ms to, by topic."""
    found = {}
    for call in calls:
        words = call.split(" patch kafkatopics.kafka.strimzi.io ")
        if len(words) == 2:
            topic, _, patch = words[1].partition(" --type=merge -p ")
            found[topic] = json.loads(patch)["spec"]["config"]["retention.ms"]
    return found


def test_new_topics_keep_what_the_longest_windows_need(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    finished = cluster.run("setup.sh", "--window-size", "1d")
    assert finished.status == 0, finished.error
    lengthened = finished.called(f'patch --local .*"retention.ms":{FOR_A_DAY_MS}')
    assert [each.stdin.split("  name: ")[1].split()[0] for each in lengthened] == sorted(KEPT)
    assert finished.called('patch --local .*"retention.ms"') == lengthened
    for topic in KEPT:
        assert f"topic {topic} gets a retention of 49 h instead of 24 h" in finished.output


def test_topics_are_as_their_manifests_for_windows_that_are_short(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert finished.called("patch ") == []
    assert "retention" not in finished.output


@pytest.mark.parametrize(
    ("size", "settings", "wanted"),
    [
        ("11h", {}, {}),
        ("12h", {}, dict.fromkeys(KEPT, 25 * HOUR_MS)),
        ("90000ms", {"ALLOWED_LATENESS": "1d"}, dict.fromkeys(KEPT, 49 * HOUR_MS)),
        ("5m", {"OUT_OF_ORDERNESS": "1d"}, dict.fromkeys(KEPT, 49 * HOUR_MS)),
        # Its results are read back too: 2 * (7 days, 5 min, 5 s), up to the next hour.
        ("5m", {"ALLOWED_LATENESS": "7d"}, dict.fromkeys((*KEPT, "clickstream-metrics"), 337 * HOUR_MS)),
        # The last of a name wins in a container's environment, as with extraEnv.
        ("1d", {"WINDOW_SIZE": "10s"}, {}),
        # What the processor itself refuses.
        ("banana", {}, {}),
    ],
)
def test_topics_of_ours_that_are_too_short_are_lengthened(
    cluster: FakeCluster, size: str, settings: dict[str, str], wanted: dict[str, int]
) -> None:
    rendered = processor_deployment(WINDOW_SIZE=size) if "WINDOW_SIZE" in settings else ""
    windows_of(cluster, size, **{name: value for name, value in settings.items() if name != "WINDOW_SIZE"})
    if rendered:
        last = '            - name: WINDOW_SIZE\n              value: "10s"\n'
        cluster.answer("helm template clickstream-streams-processor ", rendered.replace("---\n", f"{last}---\n"))
    for topic in KEPT:
        existing(cluster, topic, str(DAY_MS))
    existing(cluster, "clickstream-metrics", str(7 * DAY_MS))
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert raised(changes(finished)) == wanted
    for topic in wanted:
        assert finished.output.count(f"Topic {topic} keeps its records for ") == 1


@pytest.mark.parametrize("retention", ["-1", str(30 * DAY_MS), str(FOR_A_DAY_MS), ""])
def test_a_topic_that_keeps_enough_is_never_shortened(cluster: FakeCluster, retention: str) -> None:
    windows_of(cluster, "1d")
    for topic in KEPT:
        existing(cluster, topic, retention)
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert raised(changes(finished)) == {}


@pytest.mark.parametrize(
    ("retention", "brokers", "fits"),
    [
        (str(DAY_MS), "||", False),
        (str(25 * HOUR_MS), "||", True),
        ("-1", "||", True),
        ("", "||", True),
        ("", f"{DAY_MS}||", False),
        ("", "|60|", False),
        ("", "||24", False),
    ],
)
def test_a_topic_of_somebody_else_is_refused_with_the_command_that_mends_it(
    cluster: FakeCluster, retention: str, brokers: str, fits: bool
) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", retention, maker="Helm")
    cluster.answer("get kafkas.*log..retention", f"{brokers}\n")
    finished = cluster.run("setup.sh")
    if fits:
        assert finished.status == 0, finished.error
        assert raised(changes(finished)) == {}
        return
    assert finished.status == 1
    assert (
        "the processor needs them for 24 h 1 min 5 s (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS)"
        in finished.error
    )
    assert "kubectl patch kafkatopic clickstream-events -n kafka --type=merge -p '" in finished.error
    assert f'{{"spec":{{"config":{{"retention.ms":{FOR_A_DAY_MS}}}}}}}' in finished.error
    assert changes(finished) == []


def test_a_topic_that_strimzi_does_not_manage_is_changed_in_kafka(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS), managed="false")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "kafka-configs.sh --bootstrap-server data-on-eks-kafka-bootstrap:9093 --alter" in finished.error
    assert f"--add-config retention.ms={FOR_A_DAY_MS}" in finished.error


def test_a_topic_that_the_values_name_is_looked_at_too(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d", EVENTS_TOPIC="clicks")
    existing(cluster, "clicks", str(DAY_MS), maker="")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "topic clicks keeps its records for 24 h" in finished.error
    assert changes(finished) == []


def test_a_dry_run_says_which_topics_it_would_lengthen(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS))
    finished = cluster.run("setup.sh", "--dry-run")
    assert finished.status == 0, finished.error
    assert "Would let topic clickstream-events keep its records for 49 h instead of 24 h" in finished.output
    assert changes(finished) == []


def test_without_the_right_to_lengthen_a_topic_nothing_is_changed(cluster: FakeCluster) -> None:
    windows_of(cluster, "1d")
    existing(cluster, "clickstream-events", str(DAY_MS))
    cluster.answer("auth can-i patch kafkatopics", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "patch kafkatopics.kafka.strimzi.io" in finished.error
    assert changes(finished) == []


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(FOR_A_DAY_MS, "49 h"), (86_465_000, "24 h 1 min 5 s"), (60_000, "1 min"), (1_500, "1 s 500 ms"), (0, "0 ms")],
)
def test_a_duration_is_said_in_words(cluster: FakeCluster, milliseconds: int, words: str) -> None:
    assert cluster.source(f"duration_of {milliseconds}").output == f"{words}\n"
