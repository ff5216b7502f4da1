"""Runs in a pod: prints what is in topics, compressed, so that a long topic passes through `kubectl exec` quickly.

The argument is {topic: {"isolation": ..., "positions": {partition: offset}}} as JSON; what comes before a position is
left out. Each line is [topic, partition, offset, timestamp, key, value, headers]; the last is the argument for the next
time. Bytes are written as Latin-1 text.
"""

import json
import sys
import zlib
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from clickstream_consumer.settings import ConsumerSettings
from clickstream_core.settings import read_settings

Topics = dict[str, dict[str, Any]]


def text(value: bytes | None) -> str | None:
    """The bytes as text of the same length."""
    return None if value is None else value.decode("latin-1")


def read(config: dict[str, Any], topic: str, wanted: dict[str, Any], lines: list[str]) -> None:
    """Add the topic's records up to its present end to `lines`, and move the positions there."""
    consumer = KafkaConsumer(
        **config,
        isolation_level=wanted["isolation"],
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=8 << 20,
    )
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    for each in partitions:
        consumer.seek(each, wanted["positions"].get(str(each.partition), 0))
    # The position also moves over what is not returned: aborted records and the markers of transactions.
    while any(consumer.position(each) < ends[each] for each in partitions):
        for polled, records in consumer.poll(timeout_ms=100).items():
            for each in records:
                if each.offset < ends[polled]:
                    headers = [[name, text(value)] for name, value in each.headers]
                    place = [topic, each.partition, each.offset, each.timestamp]
                    lines.append(json.dumps([*place, text(each.key), text(each.value), headers]))
    wanted["positions"] = {str(each.partition): ends[each] for each in partitions}
    consumer.close()


def main() -> None:
    """Read the topics that the argument names, in its order."""
    topics: Topics = json.loads(sys.argv[1])
    settings = read_settings(ConsumerSettings, prog="read_topics", description="", argv=[])
    lines: list[str] = []
    for topic, wanted in topics.items():
        read(settings.kafka.kafka_python_config(), topic, wanted, lines)
    lines.append(json.dumps(topics))
    sys.stdout.buffer.write(zlib.compress("\n".join(lines).encode(), 1))


main()
