"""cleanup.sh at the end of the tests: first what it keeps, then that no data are left, then nothing at all."""

from typing import Any

from kubernetes import client

from cluster.archiving import ARCHIVE
from cluster.installation import COLLECTOR, RELEASES, SCENARIOS, STATISTICS, Installation
from kit import inventory
from kit.poll import eventually


def remove_and_assert_nothing_is_left(installation: Installation) -> None:
    """Raises AssertionError with what cleanup.sh kept that it should not have kept, or the other way round."""
    installation.clean_up("--all")

    def nothing_left() -> bool:
        left = _left(installation.namespace)
        assert not left, f"cleanup.sh left {left}"
        return True

    eventually(nothing_left, deadline_seconds=60, every=1)


def remove_apps_and_assert_data_is_kept(installation: Installation) -> None:
    """cleanup.sh without options: releases and users go, Kafka stays with its topics."""
    printed = installation.clean_up()
    assert "--delete-topics" in printed
    assert installation.helm("list", "--all", "--short").split() == []
    users = installation.kubectl("get", "kafkausers", "-o", "name").split()
    ours = (*RELEASES, COLLECTOR, ARCHIVE, "clickstream-connect", SCENARIOS, f"{SCENARIOS}-admin", STATISTICS)
    assert not [each for each in users if each.rpartition("/")[2] in ours], users
    part = "--selector=app.kubernetes.io/part-of=clickstream"
    kept = {"secret/clickstream-archive-s3"} if "what was archived" in printed else set()
    if "with scenarios, members and statistics" in printed:
        kept |= {"secret/clickstream-mariadb", "secret/clickstream-valkey"}
        volumes = {"data-clickstream-mariadb-0", "data-clickstream-valkey-0", STATISTICS}
        assert volumes <= _stored(installation)
    assert set(installation.kubectl("get", "secrets", "--output=name", part).split()) == kept, "also what helm keeps"
    topics = {each.rpartition("/")[2] for each in installation.kubectl("get", "kafkatopics", "-o", "name").split()}
    assert set(inventory.topics()) <= topics
    further = topics - set(inventory.topics())
    optional = ("clickstream-archive-", "clickstream-connect-", "clickstream-access-logs", "clickstream-scenario-")
    assert all(each.startswith(optional) for each in further), further
    workers = installation.kubectl("get", "pods", "--output=name", "--selector=strimzi.io/kind=KafkaConnect")
    assert workers.split() == [], "the connector went before them, and they before their user"


def remove_data_and_assert_none_is_left(installation: Installation) -> None:
    """cleanup.sh with options: topics, and what was stored in volumes, go as well; Kafka stays."""
    installation.clean_up("--delete-topics", "--delete-stores", "--delete-archive")
    assert installation.kubectl("get", "kafkatopics", "--output=name").split() == []
    assert _stored(installation) == set()
    part = "--selector=app.kubernetes.io/part-of=clickstream"
    assert installation.kubectl("get", "all,secrets,configmaps", "--output=name", part).split() == []


def _stored(installation: Installation) -> set[str]:
    """The claims of volumes that are not Kafka's."""
    claims = installation.core.list_namespaced_persistent_volume_claim(installation.namespace).items
    ours = ("data-clickstream-", "clickstream-")
    return {each.metadata.name for each in claims if each.metadata.name.startswith(ours)}


def _left(namespace: str) -> list[str]:
    """The namespace, and what belongs to it without being in it."""
    core: Any = client.CoreV1Api()
    access: Any = client.RbacAuthorizationV1Api()
    volumes = (each for each in core.list_persistent_volume().items if each.spec.claim_ref)
    bindings = access.list_cluster_role_binding().items
    return [
        *(f"namespace/{namespace}" for each in core.list_namespace().items if each.metadata.name == namespace),
        *(f"volume/{each.metadata.name}" for each in volumes if each.spec.claim_ref.namespace == namespace),
        *(
            f"clusterrolebinding/{each.metadata.name}"
            for each in bindings
            if any(subject.namespace == namespace for subject in each.subjects or ())
        ),
    ]
