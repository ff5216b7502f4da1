"""The remains of a Kafka cluster that was removed: its operator gets time to remove them; what stays is reported."""

from collections.abc import Sequence

from clickstream_deploy import kinds
from clickstream_deploy.errors import ApiError
from clickstream_deploy.kinds import Kind
from clickstream_deploy.objects import OF_KAFKA, at, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import DISAPPEARANCE_TIMEOUT_S, left_after

_LONGEST_RECONCILIATION_S = 150
"""Strimzi's operator looks at everything again every two minutes, and removes then what it has missed."""


def role_bindings(session: Session) -> list[str] | None:
    """Return the ClusterRoleBindings that Strimzi made for this Kafka; None when this user may not read them.

    Another Kafka of the same name, in another namespace, has its own.
    """
    try:
        found = session.cluster.objects(kinds.BINDING, f"{OF_KAFKA}={session.kafka}")
    except ApiError:
        return None
    return [
        f"clusterrolebinding/{name_of(each)}"
        for each in found
        if [at(subject, "namespace") for subject in each.get("subjects") or []] == [session.namespace]
    ]


def wait_for_operator(session: Session) -> None:
    """Wait for the operator to remove what is outside the namespace, which it does a little later than Kafka."""
    wait = "Waiting until Strimzi's operator has removed"
    left_after(session, lambda: role_bindings(session) or [], _LONGEST_RECONCILIATION_S, wait)


def say_what_is_left(session: Session, *, has_rack: bool) -> None:
    """Report it with the commands that remove it. Only a Kafka with racks has a ClusterRoleBinding."""
    cluster, namespace, name = session.cluster, session.namespace, session.kafka
    of_kafka, bindings = f"{OF_KAFKA}={name}", role_bindings(session)

    def lasting(found: Sequence[Kind]) -> list[str]:
        return left_after(session, lambda: cluster.names(found, of_kafka), DISAPPEARANCE_TIMEOUT_S)

    if bindings is None and has_rack:
        session.left(
            f"perhaps a ClusterRoleBinding of Kafka {name}, at which you may not look: kubectl get clusterrolebinding"
            f" -l {of_kafka}"
        )
    if bindings:
        session.left(
            f"{', '.join(bindings)}, which Strimzi's operator made for Kafka {name} and has not removed: kubectl delete"
            f" {' '.join(bindings)}"
        )
    if cluster.seen_objects(kinds.CLAIM, of_kafka):
        session.left(f"volumes of a Kafka {name}, with its data: kubectl delete pvc -n {namespace} -l {of_kafka}")
    if left := lasting([kinds.SECRET, kinds.CONFIG_MAP, kinds.SERVICE, kinds.SERVICE_ACCOUNT]):
        session.left(f"{', '.join(left)}: kubectl delete -n {namespace} {' '.join(left)}")
    version = cluster.versions.get(kinds.STRIMZI)
    if kept := lasting(cluster.serves(kinds.STRIMZI, version) if version else []):
        session.left(
            f"{', '.join(kept)}, which may wait for an operator to take a finalizer away: kubectl patch -n {namespace}"
            f' {" ".join(kept)} --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\''
        )
