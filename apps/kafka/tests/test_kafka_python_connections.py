"""What kafka-python would not hear."""

import socket
from types import SimpleNamespace

import pytest
from kafka.cluster import ClusterMetadata
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaTCPTransport

from clickstream_kafka.patches.kafka_python_connections import complete_joins, hear_last_words, pause_between_turns


@pytest.mark.parametrize("times", [1, 2])
def test_what_comes_together_with_the_end_of_a_connection_is_heard(times: int) -> None:
    for _ in range(times):
        hear_last_words()
    ours, theirs = socket.socketpair()
    theirs.sendall(b"invalid credentials")
    theirs.close()
    transport = KafkaTCPTransport(None, ours)
    assert transport._sock_recv() == (b"invalid credentials", None)
    data, error = transport._sock_recv()
    assert data == b""
    assert isinstance(error, KafkaConnectionError)
    ours.close()


def test_metadata_that_was_asked_for_wakes_nobody_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pause_between_turns()
    cluster, woken = ClusterMetadata(), []
    cluster._manager, cluster._wakeup = object(), SimpleNamespace(notify=lambda: woken.append(1))
    monkeypatch.setattr(cluster, "start_refresh_loop", lambda: None)
    first = cluster.request_update()
    assert cluster.request_update() is first
    assert len(woken) == 1
    cluster.failed_update(KafkaConnectionError())
    assert cluster.request_update() is not first
    assert len(woken) == 2


def test_a_consumer_whose_commit_is_due_waits_all_the_same() -> None:
    pause_between_turns()
    overdue = SimpleNamespace(config={"enable_auto_commit": True}, next_auto_commit_deadline=0.0)
    assert ConsumerCoordinator.time_to_next_poll(overdue) == 0.05


def test_a_join_that_took_longer_than_its_reason_is_completed() -> None:
    complete_joins()
    assert ConsumerCoordinator.need_rejoin(SimpleNamespace(_join_task=object()))
