"""What Kafka keeps for the archive's sink: which offsets are in which place, and the names of files not yet committed.

Two groups: `connect-clickstream-archive` has the offsets of the records that are in files, `…-coord` how far the names
of these files, on the control topic, are in the table. A worker that starts reads the control topic from its beginning
and answers each old start of a commit again; so what the table has is deleted there first.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorLoadInProgressError, KafkaError, NoError

from clickstream_local.archive_place import Place
from clickstream_local.connector import CONTROL_TOPIC
from clickstream_local.errors import ArchiveFailed

_CONNECT_MS = 10_000
_LOADING_S = 10.0
"""So long a broker that has just started may read its groups."""


class FilledPlaces:
    """Which cluster's records each place holds, in a file: offsets of another cluster are other records."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def cluster_of(self, place: Place) -> str | None:
        """Return the id of the cluster whose records the place holds, as far as this folder knows."""
        return self._read().get(place.warehouse)

    def remember(self, place: Place, cluster_id: str) -> None:
        """Note that the place holds the records of this cluster."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({**self._read(), place.warehouse: cluster_id}, indent=2), encoding="utf-8")

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ArchiveFailed(
                f"{self._file} is damaged ({error}): delete it with the folder {self._file.parent}"
            ) from error
        return found


def cluster_id_of(kafka_config: Mapping[str, Any]) -> str:
    """Return the cluster's id. Raises ArchiveFailed."""
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            return str(admin.describe_cluster()["cluster_id"])
    except (KafkaError, TimeoutError) as error:
        raise ArchiveFailed(f"could not ask Kafka for its cluster id: {error}") from error


def forget_offsets(kafka_config: Mapping[str, Any], group: str) -> bool:
    """Forget what Kafka keeps of an empty place, so that it is filled from the beginning; returns whether it kept any.

    The names on the control topic are of files that are gone, so the coordinator goes on behind them. The control topic
    must exist. Raises ArchiveFailed, also if the groups are in use.
    """
    coordinator, partition = f"{group}-coord", TopicPartition(CONTROL_TOPIC, 0)
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            existing = _groups(admin)
            refusals = {}
            if group in existing and (answer := admin.delete_groups([group])[group]) != "OK":
                refusals[group] = answer
            if coordinator in existing:
                reset = admin.reset_group_offsets(coordinator, {partition: OffsetSpec.LATEST})
                if (error_type := reset[partition]["error"]) is not NoError:
                    refusals[coordinator] = error_type.__name__
    except (KafkaError, TimeoutError) as error:
        raise ArchiveFailed(f"could not delete the offsets of group {group}: {error}") from error
    if refusals:
        named = ", ".join(f"{name} ({why})" for name, why in refusals.items())
        raise ArchiveFailed(
            f"Kafka does not give up the offsets of {named}: another Kafka Connect uses them, or one that was killed "
            f"less than a minute ago; try again then"
        )
    return not existing.isdisjoint((group, coordinator))


def forget_committed_names(kafka_config: Mapping[str, Any], group: str) -> None:
    """Delete from the control topic the names of files that the table has.

    That only saves the next worker time, so a Kafka that is away now is no failure.
    """
    partition = TopicPartition(CONTROL_TOPIC, 0)
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            coordinator = f"{group}-coord"
            if coordinator not in _groups(admin):
                return
            committed = admin.list_group_offsets({coordinator: [partition]})[coordinator].get(partition)
            if committed is not None and committed.offset > 0:
                admin.delete_records({partition: committed.offset})
    except (KafkaError, TimeoutError):
        return


def _groups(admin: KafkaAdminClient) -> set[str]:
    """Return the names of the groups. (A new cluster can't be asked about one: it has no coordinator yet.)"""
    deadline = time.monotonic() + _LOADING_S
    while True:
        try:
            return {group["group_id"] for group in admin.list_groups()}
        except CoordinatorLoadInProgressError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
