"""The remains of a Kafka cluster that was removed: its operator gets time to remove them; what stays is reported."""

from clickstream_deploy.errors import ApiError
from clickstream_deploy.explanations import running_operators
from clickstream_deploy.resources import (
    BINDING,
    CLAIM,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STRIMZI_API,
    at,
    name_of,
)
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import lasting

_LONGEST_RECONCILIATION_S = 150
"""Strimzi's operator looks at everything again every two minutes, and removes then what it has missed."""


def role_bindings(session: Session) -> list[str] | None:
    """Return the ClusterRoleBindings that Strimzi made for this Kafka; None when this user may not read them.

    Another Kafka of the same name, in another namespace, has its own.
    """
    try:
        found = session.cluster.objects(BINDING, f"strimzi.io/cluster={session.kafka}")
    except ApiError:
        return None
    return [
        f"clusterrolebinding/{name_of(each)}"
        for each in found
        if [at(subject, "namespace") for subject in each.get("subjects") or []] == [session.namespace]
    ]


def wait_for_operator(session: Session, *, there: bool) -> None:
    """Wait for the operator to remove what is outside the namespace, which it does a little later than Kafka, if an
    operator runs. `there` says whether there was a Kafka."""
    if not (there or running_operators(session)):
        return
    began, limit = session.clock.elapsed(), min(_LONGEST_RECONCILIATION_S, session.options.timeout_s)
    session.progress.begin_wait()
    while (found := role_bindings(session)) and session.clock.elapsed() - began < limit:
        session.progress.waiting(f"Waiting until Strimzi's operator has removed {', '.join(found)}")
        session.clock.sleep(1)
    session.progress.clear()


def say_what_is_left(session: Session, *, has_rack: bool) -> None:
    """Report it with the commands that remove it. Only a Kafka with racks has a ClusterRoleBinding."""
    cluster, namespace = session.cluster, session.namespace
    of_cluster = f"strimzi.io/cluster={session.kafka}"
    bindings = role_bindings(session)
    if bindings is None and has_rack:
        session.left(
            f"perhaps a ClusterRoleBinding of Kafka {session.kafka}, at which you may not look: kubectl get"
            f" clusterrolebinding -l {of_cluster}"
        )
    if bindings:
        session.left(
            f"{', '.join(bindings)}, which Strimzi's operator made for Kafka {session.kafka} and has not removed:"
            f" kubectl delete {' '.join(bindings)}"
        )
    if cluster.seen_objects(CLAIM, of_cluster):
        session.left(
            f"volumes of a Kafka {session.kafka}, with its data: kubectl delete pvc -n {namespace} -l {of_cluster}"
        )
    kinds = [SECRET, CONFIG_MAP, SERVICE, SERVICE_ACCOUNT]
    left = lasting(session, lambda: cluster.names(kinds, of_cluster))
    if left:
        session.left(f"{', '.join(left)}: kubectl delete -n {namespace} {' '.join(left)}")
    version = cluster.versions.get(STRIMZI_API)
    strimzi = cluster.serves(STRIMZI_API, version) if version else []
    kept = lasting(session, lambda: cluster.names(strimzi, of_cluster))
    if kept:
        session.left(
            f"{', '.join(kept)}, which may wait for an operator to take a finalizer away: kubectl patch -n {namespace}"
            f' {" ".join(kept)} --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\''
        )
