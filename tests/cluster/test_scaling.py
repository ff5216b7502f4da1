"""kubectl scale of the processor while events flow."""

from cluster.cluster_topics import ClusterTopics
from cluster.exactness import assert_all_windows_exact
from cluster.installation import PROCESSOR, Installation


def test_scaling_up_and_down_leaves_every_window_exact(installation: Installation, topics: ClusterTopics) -> None:
    for replicas in (3, 6, 1):
        installation.scale(PROCESSOR, replicas)
        assert_all_windows_exact(topics)
    assert set(installation.restarts().values()) == {0}
