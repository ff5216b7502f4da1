"""`helm test`: the consumer is ready, and has shown the newest result that its processor wrote to the metrics topic.

Run with the consumer's address and its own settings: the result is read from the topic with the consumer's user, and
what the consumer has shown is what its group has committed. Before the first window has closed there is no result;
so long this waits, up to what `helm test` allows by default.
"""

import sys
import time
import urllib.error
import urllib.request

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from clickstream_consumer.settings import ConsumerSettings
from clickstream_core.groups import group_of
from clickstream_core.settings import read_settings
from clickstream_core.window_metrics import decode_window_metrics

ADDRESS = sys.argv[1]
PATIENCE = 280
# Transactions leave markers between the results, so the newest is not always right at the end.
LAST_OFFSETS = 20


def wait_until_ready(deadline: float) -> None:
    """Return when /readyz answers with status 200."""
    while True:
        try:
            with urllib.request.urlopen(f"{ADDRESS}/readyz", timeout=5) as answer:
                print(f"{ADDRESS}/readyz: {answer.read().decode().strip()}")
                return
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.read().decode().strip()}"
        except OSError as error:
            why = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {ADDRESS}/readyz: {why}")
        time.sleep(1)


def newest_result(kafka: KafkaConsumer, settings: ConsumerSettings, deadline: float) -> ConsumerRecord:
    """Return the newest result of the processor; wait for the first one."""
    topic = settings.topics.metrics_topic
    partitions = [TopicPartition(topic, number) for number in sorted(kafka.partitions_for_topic(topic) or ())]
    kafka.assign(partitions)
    for partition, end in kafka.end_offsets(partitions).items():
        kafka.seek(partition, max(0, end - LAST_OFFSETS))
    newest = None
    while newest is None and time.monotonic() < deadline:
        while found := [record for records in kafka.poll(2000).values() for record in records]:
            own = [record for record in found if group_of(record.headers) == settings.processor_group]
            newest = max([newest, *own] if newest else own, key=lambda record: record.timestamp, default=None)
    if newest is None:
        sys.exit(f"FAILED: no result on {topic} within {PATIENCE} s; with longer windows try again when one has closed")
    return newest


def main() -> None:
    """Exit with status 0 when the newest result was shown."""
    deadline = time.monotonic() + PATIENCE
    settings = read_settings(ConsumerSettings, prog="check", description="", argv=[])
    wait_until_ready(deadline)
    kafka = KafkaConsumer(
        **settings.kafka.kafka_python_config(),
        group_id=settings.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    newest = newest_result(kafka, settings, deadline)
    metrics = decode_window_metrics(newest.value)
    print(f"newest result: {metrics.window_start} to {metrics.window_end}, {metrics.total_events} events")
    partition = TopicPartition(newest.topic, newest.partition)
    shown_by = time.monotonic() + 30
    while (kafka.committed(partition) or 0) <= newest.offset:
        if time.monotonic() > shown_by:
            sys.exit(f"FAILED: {settings.group_id} has not committed it within 30 s; the consumer's log says why")
        time.sleep(1)
    print(f"{settings.group_id} has shown it")
    kafka.close()


main()
