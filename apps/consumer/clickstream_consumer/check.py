"""The consumer chart's `helm test`: `python -m clickstream_consumer.check ADDRESS`, in a pod of its image.

It passes when the consumer is ready and has shown the newest result that its processor wrote to the metrics topic. The
result is read with the consumer's settings and user; what it has shown is what its group has committed. The check waits
for the first window to close, nearly as long as `helm test` waits for the check.
"""

import sys
import time
from contextlib import closing

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from clickstream_consumer.settings import ConsumerSettings
from clickstream_core.check import wait_until_ready
from clickstream_core.groups import group_of
from clickstream_core.settings import read_settings
from clickstream_core.window_metrics import decode_window_metrics
from clickstream_kafka.patches import apply_to_kafka_python

_PATIENCE_S = 280.0
_COMMITTED_S = 30.0
# Transactions leave markers between the results, so the newest result is not always at the end.
_LAST_OFFSETS = 20


def _newest_result(kafka: KafkaConsumer, settings: ConsumerSettings, deadline: float) -> ConsumerRecord | None:
    """Return the processor's newest result; wait for the first one."""
    topic = settings.metrics_topic
    partitions = [TopicPartition(topic, number) for number in sorted(kafka.partitions_for_topic(topic) or ())]
    kafka.assign(partitions)
    for partition, end in kafka.end_offsets(partitions).items():
        kafka.seek(partition, max(0, end - _LAST_OFFSETS))
    newest = None
    while newest is None and time.monotonic() < deadline:
        while found := [record for records in kafka.poll(2000).values() for record in records]:
            own = [record for record in found if group_of(record.headers) == settings.processor_group]
            newest = max([newest, *own] if newest else own, key=lambda record: record.timestamp, default=None)
    return newest


def check(address: str, patience_s: float = _PATIENCE_S) -> None:
    """Return when the newest result has been shown; exit with the reason when that takes too long."""
    deadline = time.monotonic() + patience_s
    apply_to_kafka_python()
    settings = read_settings(ConsumerSettings, prog="check", description="", argv=[])
    wait_until_ready(address, deadline)
    config = settings.kafka.kafka_python_config() | {
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
    }
    with closing(KafkaConsumer(**config, group_id=settings.group_id, enable_auto_commit=False)) as kafka:
        newest = _newest_result(kafka, settings, deadline)
        if newest is None:
            sys.exit(
                f"FAILED: no result on {settings.metrics_topic} within {patience_s:g} s; if windows are longer, "
                "try again when one has closed"
            )
        metrics = decode_window_metrics(newest.value)
        print(f"newest result: {metrics.window_start} to {metrics.window_end}, {metrics.total_events} events")
        partition = TopicPartition(newest.topic, newest.partition)
        shown_by = time.monotonic() + _COMMITTED_S
        while (kafka.committed(partition) or 0) <= newest.offset:
            if time.monotonic() > shown_by:
                sys.exit(f"FAILED: {settings.group_id} has not committed it within {_COMMITTED_S:g} s; see its log")
            time.sleep(1)
        print(f"{settings.group_id} has shown it")


if __name__ == "__main__":
    check(sys.argv[1])
