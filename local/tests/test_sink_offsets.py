"""A place goes on where it ended, begins from the topics' beginnings, or is refused: what its table says decides."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import NoError, UnknownMemberIdError

from clickstream_local import sink_offsets
from clickstream_local.archive import prepare_offsets, sink_of
from clickstream_local.archive_place import seaweedfs_place, users_place
from clickstream_local.connector import Sink, new_sink
from clickstream_local.errors import ArchiveFailed
from clickstream_local.place_check import check_place
from clickstream_local.raw_table import RawTable
from clickstream_local.sink_offsets import forget_offsets

PLACE = users_place("file:///data", {})
SINK = new_sink(PLACE)


class Kafka:
    """What a cluster keeps of the sink: its groups; `reset` are the offsets that were set."""

    def __init__(self, *groups: str, in_use: bool = False) -> None:
        self.groups = set(groups)
        self.in_use = in_use
        self.reset: dict[str, Mapping[TopicPartition, OffsetSpec]] = {}

    def __call__(self, **_: object) -> "Kafka":
        return self

    def __enter__(self) -> "Kafka":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def list_groups(self) -> list[dict[str, str]]:
        return [{"group_id": name} for name in self.groups]

    def delete_groups(self, names: Iterable[str]) -> dict[str, str]:
        if self.in_use:
            return dict.fromkeys(names, "NonEmptyGroupError")
        self.groups -= set(names)
        return dict.fromkeys(names, "OK")

    def reset_group_offsets(self, name: str, specs: Mapping[TopicPartition, OffsetSpec]) -> dict[TopicPartition, Any]:
        self.reset[name] = dict(specs)
        return {each: {"error": UnknownMemberIdError if self.in_use else NoError, "offset": 7} for each in specs}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka(SINK.group, SINK.coordinator_group, "another")
    monkeypatch.setattr(sink_offsets, "KafkaAdminClient", kafka)
    return kafka


def table(
    cluster: str | None = "this", sink: str | None = SINK.name, manifests: str | None = "snap-1.avro"
) -> RawTable:
    properties = {"clickstream.kafka-cluster-id": cluster, "clickstream.sink": sink}
    return RawTable({name: value for name, value in properties.items() if value is not None}, manifests)


def test_a_place_that_was_emptied_is_filled_from_the_beginning_without_the_names_of_its_old_files(kafka: Kafka) -> None:
    said: list[str] = []

    prepare_offsets(PLACE, None, SINK, {}, said.append)

    assert kafka.groups == {SINK.coordinator_group, "another"}
    assert kafka.reset == {SINK.coordinator_group: {TopicPartition(SINK.control_topic, 0): OffsetSpec.LATEST}}
    (line,) = said
    assert line.startswith("✗ file:///data was filled before, but has no table now: it is filled again with all that")


def test_a_new_place_is_begun_without_a_word(kafka: Kafka) -> None:
    kafka.groups = {"another"}
    said: list[str] = []

    prepare_offsets(PLACE, None, SINK, {}, said.append)

    assert said == []


def test_a_place_that_has_its_table_goes_on_where_it_was(kafka: Kafka) -> None:
    prepare_offsets(PLACE, table(), SINK, {}, pytest.fail)

    assert SINK.group in kafka.groups
    assert not kafka.reset


def test_the_table_names_its_sink_by_whatever_address_the_place_is_reached() -> None:
    assert sink_of(users_place("hdfs://namenode:8020/archive", {}), table(), "this") == SINK
    assert sink_of(PLACE, None, "this") == SINK


def test_a_table_without_a_commit_is_filled_from_the_beginning(kafka: Kafka) -> None:
    kafka.groups = {"another"}

    prepare_offsets(PLACE, table(manifests=None), SINK, {}, pytest.fail)


def test_a_place_is_refused_when_kafka_has_forgotten_how_far_it_was_filled(kafka: Kafka) -> None:
    kafka.groups = {"another"}

    with pytest.raises(
        ArchiveFailed, match=f"its group {SINK.group} is gone.*choose another with --archive-to"
    ) as error:
        prepare_offsets(PLACE, table(), SINK, {}, pytest.fail)

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (table(cluster="that"), "the records of another Kafka"),
        (table(cluster=None, sink=None), "records that ./setup.sh --local did not bring"),
    ],
)
def test_a_table_with_others_records_is_refused(found: RawTable, words: str) -> None:
    with pytest.raises(ArchiveFailed, match=f"at file:///data holds {words}, .* choose another with --archive-to"):
        sink_of(PLACE, found, "this")
    with pytest.raises(ArchiveFailed, match="delete it with --fresh, or choose another place with --archive-to"):
        sink_of(seaweedfs_place(1, 2), found, "this")


def test_offsets_that_a_running_worker_uses_are_an_error_of_one_line(kafka: Kafka) -> None:
    kafka.in_use = True

    with pytest.raises(ArchiveFailed, match=rf"{SINK.group} \(NonEmptyGroupError\), {SINK.group}-coord") as error:
        forget_offsets({}, SINK)

    assert "\n" not in str(error.value)


def test_the_table_of_a_folder_is_its_newest_version(tmp_path: Path) -> None:
    find = check_place(users_place(f"file://{tmp_path}", {}))
    assert find() is None
    metadata = tmp_path / "clickstream" / "raw" / "metadata"
    metadata.mkdir(parents=True)
    assert find() is None
    for version, snapshot in ((9, -1), (10, 77)):
        content = {
            "properties": {"version": str(version)},
            "current-snapshot-id": snapshot,
            "snapshots": [{"snapshot-id": 77, "manifest-list": "snap-77.avro"}],
        }
        (metadata / f"v{version}.metadata.json").write_text(json.dumps(content))
    (metadata / "version-hint.text").write_text("10")
    assert find() == RawTable({"version": "10"}, "snap-77.avro")
    (metadata / "v10.metadata.json").write_text("{")
    with pytest.raises(ArchiveFailed, match=r"v10.metadata.json of the table clickstream.raw is damaged"):
        find()


def test_the_control_topic_of_a_sink_is_its_own() -> None:
    assert Sink("clickstream-archive-12ab").control_topic == "clickstream-archive-control-12ab"
    assert Sink("clickstream-archive-12ab").worker_group == "clickstream-connect-12ab"
