"""The label by which cleanup.sh knows what setup.sh made.

Only objects that may also have another origin carry it: the namespace, the Kafka cluster, Strimzi's operator,
and the topics, whose settings setup.sh changes only where it made them. Strimzi does not pass it on to what it makes:
it leaves out labels of app.kubernetes.io but part-of.
"""

from clickstream_deploy.cluster import Cluster
from clickstream_deploy.resources import NAMESPACE, Manifest, Resource, label

LABEL = "app.kubernetes.io/managed-by"
MAKER = "setup.sh"
MADE_BY = f"{LABEL}={MAKER}"


def marked(manifest: Manifest, kafka: str = "") -> Manifest:
    """Return the manifest with the label, and with that of its Kafka cluster."""
    labels = {**(manifest["metadata"].get("labels") or {}), LABEL: MAKER}
    if kafka:
        labels["app.kubernetes.io/instance"] = kafka
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def is_marked(manifest: Manifest | None) -> bool:
    """Whether it carries the label."""
    return manifest is not None and label(manifest, LABEL) == MAKER


def made_by_setup(cluster: Cluster, resource: Resource, name: str) -> bool:
    """Whether the object is there and carries the label."""
    return is_marked(cluster.seen(resource, name))


def namespace_made_by_setup(cluster: Cluster, name: str) -> bool:
    """Whether setup.sh made the namespace."""
    return made_by_setup(cluster, NAMESPACE, name)
