from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import NoError, UnknownMemberIdError

from clickstream_local import sink_offsets
from clickstream_local.archive import Archive, prepare_kafka
from clickstream_local.archive_place import seaweedfs_place, users_place
from clickstream_local.connector import CONTROL_TOPIC, sink_group
from clickstream_local.errors import ArchiveFailed
from clickstream_local.sink_offsets import FilledPlaces, forget_offsets

PLACE = users_place("file:///data", {})
GROUP = sink_group(PLACE)


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

    def describe_cluster(self) -> dict[str, str]:
        return {"cluster_id": "this"}

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
    kafka = Kafka(GROUP, f"{GROUP}-coord", "another")
    monkeypatch.setattr(sink_offsets, "KafkaAdminClient", kafka)
    return kafka


@pytest.fixture
def filled(tmp_path: Path) -> FilledPlaces:
    places = FilledPlaces(tmp_path / "archive" / "places.json")
    places.remember(PLACE, "this")
    return places


def test_a_place_that_was_emptied_is_filled_from_the_beginning_without_the_names_of_its_old_files(
    kafka: Kafka, filled: FilledPlaces
) -> None:
    assert prepare_kafka(Archive(PLACE, lambda: False, own=False), filled, {})

    assert kafka.groups == {f"{GROUP}-coord", "another"}
    assert kafka.reset == {f"{GROUP}-coord": {TopicPartition(CONTROL_TOPIC, 0): OffsetSpec.LATEST}}


def test_a_place_that_has_its_table_goes_on_where_it_was(kafka: Kafka, filled: FilledPlaces) -> None:
    assert not prepare_kafka(Archive(PLACE, lambda: True, own=False), filled, {})

    assert GROUP in kafka.groups
    assert not kafka.reset


def test_our_own_place_goes_on_where_it_was(kafka: Kafka, tmp_path: Path) -> None:
    ours, places = seaweedfs_place(8333, 8181), FilledPlaces(tmp_path / "places.json")
    places.remember(ours, "this")
    kafka.groups.add(sink_group(ours))

    assert not prepare_kafka(Archive(ours, lambda: False, own=True), places, {})

    assert sink_group(ours) in kafka.groups


def test_a_place_that_was_never_committed_to_is_not_called_emptied(kafka: Kafka, filled: FilledPlaces) -> None:
    kafka.groups = {"another"}

    assert not prepare_kafka(Archive(PLACE, lambda: False, own=False), filled, {})


def test_a_place_with_another_clusters_records_is_refused(kafka: Kafka, tmp_path: Path) -> None:
    places = FilledPlaces(tmp_path / "places.json")

    with pytest.raises(ArchiveFailed, match="holds the records of another Kafka"):
        prepare_kafka(Archive(PLACE, lambda: True, own=False), places, {})

    assert GROUP in kafka.groups


def test_offsets_that_a_running_worker_uses_are_an_error_of_one_line(kafka: Kafka) -> None:
    kafka.in_use = True

    with pytest.raises(ArchiveFailed, match=rf"{GROUP} \(NonEmptyGroupError\), {GROUP}-coord") as error:
        forget_offsets({}, GROUP)

    assert "\n" not in str(error.value)
