"""How often kafka-python's loops run while there is nothing to do."""

from types import SimpleNamespace

import pytest
from kafka.cluster import ClusterMetadata
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaConnectionError

from clickstream_kafka.patches import kafka_python_busy_loops


@pytest.fixture(autouse=True)
def _patched() -> None:
    kafka_python_busy_loops.apply()


def test_a_request_for_metadata_that_is_under_way_does_not_wake_the_loop_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, woken = ClusterMetadata(), []
    cluster._manager, cluster._wakeup = object(), SimpleNamespace(notify=lambda: woken.append(1))
    monkeypatch.setattr(cluster, "start_refresh_loop", lambda: None)
    first = cluster.request_update()
    assert cluster.request_update() is first
    assert len(woken) == 1
    cluster.failed_update(KafkaConnectionError())
    assert cluster.request_update() is not first
    assert len(woken) == 2


def test_a_consumer_whose_commit_is_overdue_waits_all_the_same() -> None:
    overdue = SimpleNamespace(config={"enable_auto_commit": True}, next_auto_commit_deadline=0.0)
    assert ConsumerCoordinator.time_to_next_poll(overdue) == 0.05
