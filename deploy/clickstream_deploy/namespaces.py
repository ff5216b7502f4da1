"""Namespaces: created when they are missing, and removed by cleanup.sh when setup.sh created them."""

from clickstream_deploy.cluster import side_by_side
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.kinds import NAMESPACE
from clickstream_deploy.objects import is_marked, marked
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import DISAPPEARANCE_TIMEOUT_S, left_after

# What passes by itself, and what every namespace has.
_PASSING = {"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision"}
_USUAL = {"configmap/kube-root-ca.crt", "configmap/openshift-service-ca.crt", "serviceaccount/default"}


class Namespace(Component):
    """Kafka's namespace, in which the apps are too."""

    def install(self) -> None:
        """Create the namespace of a Kafka of our own; any other Kafka already has one."""
        if self.options.with_kafka:
            create_namespace(self.session, self.namespace)

    def remove(self) -> None:
        if self.options.everything:
            remove_namespace(self.session, self.namespace)


def create_namespace(session: Session, name: str) -> None:
    """Create the namespace unless it exists, or this user may not look."""
    try:
        if session.cluster.get(NAMESPACE, name):
            return
    except ApiError:
        return
    if session.options.dry_run:
        session.progress.say(f"Would create namespace {name}")
    else:
        session.cluster.create(marked({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        session.progress.say(f"Namespace {name} created")


def remove_namespace(session: Session, name: str) -> None:
    """Remove the namespace if setup.sh made it and nothing else is in it."""
    cluster, timeout_s = session.cluster, session.options.timeout_s
    if not is_marked(cluster.seen(NAMESPACE, name)):
        return
    if not session.options.dry_run:
        left = left_after(session, lambda: _inhabitants(session, name), DISAPPEARANCE_TIMEOUT_S)
        if left:
            session.progress.say(f"Kept: namespace {name}, in which there are also {', '.join(left)}")
            return
        cluster.delete(NAMESPACE, name)
        gone = [f"namespace {name} is gone"]
        if left_after(session, lambda: gone if cluster.get(NAMESPACE, name) else [], timeout_s, "Waiting until"):
            command = f"kubectl get namespace {name} -o yaml"
            raise EndedError(f"namespace {name} is not gone after {timeout_s}s: {command} says what holds it")
    session.removed(f"namespace {name}")


def _inhabitants(session: Session, namespace: str) -> list[str]:
    cluster = session.cluster
    preferred = [(group, versions[0]) for group, versions in cluster.groups().items()]
    served = side_by_side(lambda each: cluster.serves(*each), preferred)
    kinds = [each for found in served for each in found if each.namespaced and each.name not in _PASSING]
    return [each for each in cluster.names(kinds, namespace=namespace) if each not in _USUAL]
