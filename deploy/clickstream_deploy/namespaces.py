"""Namespaces: created when they are missing, and removed by cleanup.sh when setup.sh created them."""

from clickstream_deploy.cluster import side_by_side
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.ownership import marked, namespace_made_by_setup
from clickstream_deploy.resources import NAMESPACE
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import lasting

# What passes by itself, and what every namespace has.
_PASSING = {"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision"}
_USUAL = {"configmap/kube-root-ca.crt", "configmap/openshift-service-ca.crt", "serviceaccount/default"}


class Namespace(Component):
    """Kafka's namespace, in which the apps are too."""

    def install(self) -> None:
        """Create the namespace of a Kafka of our own; any other Kafka already has one."""
        if self.options.with_kafka:
            create_namespace(self.session, self.session.namespace)

    def remove(self) -> None:
        """Remove the namespace with --all."""
        if self.options.everything:
            remove_namespace(self.session, self.session.namespace)


def create_namespace(session: Session, name: str) -> None:
    """Create the namespace unless it exists."""
    try:
        there = session.cluster.get(NAMESPACE, name) is not None
    except ApiError:
        there = True
    if there:
        return
    if session.options.dry_run:
        session.progress.say(f"Would create namespace {name}")
        return
    session.cluster.create(marked({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    session.progress.say(f"Namespace {name} created")


def remove_namespace(session: Session, name: str) -> None:
    """Remove the namespace if setup.sh made it and nothing else is in it."""
    if not namespace_made_by_setup(session.cluster, name):
        return
    if not session.options.dry_run:
        left = lasting(session, lambda: _inhabitants(session, name))
        if left:
            session.progress.say(f"Kept: namespace {name}, in which there are also {', '.join(left)}")
            return
        session.cluster.delete(NAMESPACE, name)
        began = session.clock.elapsed()
        session.progress.begin_wait()
        while session.cluster.get(NAMESPACE, name) is not None:
            if session.clock.elapsed() - began >= session.options.timeout_s:
                raise EndedError(
                    f"namespace {name} is not gone after {session.options.timeout_s}s: kubectl get namespace {name} -o"
                    " yaml says what holds it"
                )
            session.progress.waiting(f"Waiting until namespace {name} is gone")
            session.clock.sleep(1)
    session.removed(f"namespace {name}")


def _inhabitants(session: Session, namespace: str) -> list[str]:
    cluster = session.cluster
    versions = [("", "v1"), *((each["name"], each["preferredVersion"]["version"]) for each in cluster.groups())]
    served = side_by_side(lambda each: cluster.serves(*each), versions)
    kinds = [each for found in served for each in found if each.namespaced and each.kind not in _PASSING]
    return [each for each in cluster.names(kinds, namespace=namespace) if each not in _USUAL]
