"""When kafka-python's consumer looks for the result of joining its group."""

from types import SimpleNamespace

from kafka.coordinator.consumer import ConsumerCoordinator

from clickstream_kafka.patches import kafka_python_joins


def test_a_join_that_took_longer_than_its_reason_is_completed() -> None:
    kafka_python_joins.apply()
    assert ConsumerCoordinator.need_rejoin(SimpleNamespace(_join_task=object()))
