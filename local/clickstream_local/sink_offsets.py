"""What Kafka keeps of a sink: how far it has read, and the names of files that are not yet in the table.

Its group has the offsets of the records that are in files, its coordinator's group how far the names of these files, on
the control topic, are in the table. A worker that starts reads the control topic from its beginning and answers each
old start of a commit again; so what the table has is deleted there first.
"""

import time
from collections.abc import Mapping
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorLoadInProgressError, KafkaError, NoError

from clickstream_local.connector import Sink
from clickstream_local.errors import ArchiveFailed

_CONNECT_MS = 10_000
_LOADING_S = 10.0
"""So long a broker that has just started may read its groups."""


def cluster_id_of(kafka_config: Mapping[str, Any]) -> str:
    """Return the cluster's id. Raises ArchiveFailed."""
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            return str(admin.describe_cluster()["cluster_id"])
    except (KafkaError, TimeoutError) as error:
        raise ArchiveFailed(f"could not ask Kafka for its cluster id: {error}") from error


def has_offsets(kafka_config: Mapping[str, Any], sink: Sink) -> bool:
    """Whether Kafka knows how far the sink has read. Raises ArchiveFailed."""
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            return sink.group in _groups(admin)
    except (KafkaError, TimeoutError) as error:
        raise ArchiveFailed(f"could not ask Kafka for the group {sink.group}: {error}") from error


def forget_offsets(kafka_config: Mapping[str, Any], sink: Sink) -> bool:
    """Forget what Kafka keeps of an empty place, so that it is filled from the beginning; returns whether it kept any.

    The names on the control topic are of files that are gone, so the coordinator goes on behind them. The control topic
    must exist. Raises ArchiveFailed, also if the groups are in use.
    """
    partition = TopicPartition(sink.control_topic, 0)
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            existing = _groups(admin)
            refusals = {}
            if sink.group in existing and (answer := admin.delete_groups([sink.group])[sink.group]) != "OK":
                refusals[sink.group] = answer
            if sink.coordinator_group in existing:
                reset = admin.reset_group_offsets(sink.coordinator_group, {partition: OffsetSpec.LATEST})
                if (error_type := reset[partition]["error"]) is not NoError:
                    refusals[sink.coordinator_group] = error_type.__name__
    except (KafkaError, TimeoutError) as error:
        raise ArchiveFailed(f"could not delete the offsets of group {sink.group}: {error}") from error
    if refusals:
        named = ", ".join(f"{name} ({why})" for name, why in refusals.items())
        raise ArchiveFailed(
            f"Kafka does not give up the offsets of {named}: another Kafka Connect uses them, or one that was killed "
            f"less than a minute ago; try again then"
        )
    return not existing.isdisjoint((sink.group, sink.coordinator_group))


def forget_committed_names(kafka_config: Mapping[str, Any], sink: Sink) -> None:
    """Delete from the control topic the names of files that the table has.

    That only saves the next worker time, so a Kafka that is away now is no failure.
    """
    partition, group = TopicPartition(sink.control_topic, 0), sink.coordinator_group
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            if group not in _groups(admin):
                return
            committed = admin.list_group_offsets({group: [partition]})[group].get(partition)
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
