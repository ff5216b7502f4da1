"""Committed offsets, apart from those whose transaction is undecided: a request that aiokafka 0.14 lacks.

The successor of a transactional producer starts when the brokers have settled its predecessor's transaction. By then
the classic group coordinator before Kafka 3.9.1 (KAFKA-17507) has only logged that an offset is committed. It applies
it later, in a queue behind other work such as loading a partition of __consumer_offsets, and returns the old offset
until then. An app that resumes from there would write its output twice. So commits are requested with `require_stable`
(KIP-447, since Kafka 2.5): the answer for a partition with an undecided offset is UNSTABLE_OFFSET_COMMIT. aiokafka
knows OffsetFetch only up to version 3; this is version 7. Delete when its admin client takes `require_stable`.
"""

from collections.abc import Iterable
from itertools import groupby

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata

from clickstream_kafka.errors import FatalError

_UNSTABLE_OFFSET_COMMIT = 88
_Topics = list[tuple[str, list[int], dict[int, bytes]]]


_TAGS = ("tags", TaggedFields)
_COMMITS = CompactArray(
    ("partition", Int32),
    ("offset", Int64),
    ("leader_epoch", Int32),
    ("metadata", CompactString()),
    ("error_code", Int16),
    _TAGS,
)


class _OffsetFetchResponse(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("topics", CompactArray(("topic", CompactString()), ("partitions", _COMMITS), _TAGS)),
        ("error_code", Int16),
        _TAGS,
    )


class _OffsetFetchRequestStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _OffsetFetchResponse
    SCHEMA = Schema(
        ("group", CompactString()),
        ("topics", CompactArray(("topic", CompactString()), ("partitions", CompactArray(Int32)), _TAGS)),
        ("require_stable", Boolean),
        _TAGS,
    )


class _OffsetFetchRequest(Request[_OffsetFetchRequestStruct]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group_id: str, topics: _Topics) -> None:
        self._group_id = group_id
        self._topics = topics

    def build(self, request_struct_class: type[_OffsetFetchRequestStruct]) -> _OffsetFetchRequestStruct:
        return request_struct_class(self._group_id, self._topics, True, {})


async def stable_offsets(
    admin: AIOKafkaAdminClient, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata | None]:
    """Return the group's commits: None for a partition with an undecided offset, offset -1 for one without a commit.

    A coordinator that is still loading may leave out partitions. Raises KafkaError, and FatalError for a Kafka that is
    too old for this request.
    """
    topics: _Topics = [
        (topic, [each.partition for each in named], {})
        for topic, named in groupby(sorted(partitions), key=lambda each: each.topic)
    ]
    coordinator = await admin.find_coordinator(group_id)
    try:
        answer = await admin._client.send(coordinator, _OffsetFetchRequest(group_id, topics))
    except NotImplementedError as error:
        raise FatalError("this Kafka can't say whether a commit is settled: 2.5 or newer is needed") from error
    if answer.error_code:
        raise for_code(answer.error_code)(group_id)
    found: dict[TopicPartition, OffsetAndMetadata | None] = {}
    for topic, committed, _ in answer.topics:
        for partition, offset, _, metadata, error_code, _ in committed:
            if error_code == 0:
                found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
            elif error_code == _UNSTABLE_OFFSET_COMMIT:
                found[TopicPartition(topic, partition)] = None
            else:
                raise for_code(error_code)(f"{group_id}: {topic}[{partition}]")
    return found
