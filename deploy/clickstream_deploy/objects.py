"""Kubernetes objects: how they are read, and the labels by which cleanup.sh knows what setup.sh made.

Only objects that may also have another origin carry that label: the namespace, the Kafka cluster, Strimzi's operator,
and the topics, whose settings setup.sh changes only where it made them. Strimzi does not pass it on to what it makes:
it leaves out labels of app.kubernetes.io but part-of.
"""

from typing import Any

Manifest = dict[str, Any]
"""An object as in JSON."""

LABEL = "app.kubernetes.io/managed-by"
MAKER = "setup.sh"
MADE_BY = f"{LABEL}={MAKER}"
MARK = {"metadata": {"labels": {LABEL: MAKER}}}
PART = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
OF_KAFKA = "strimzi.io/cluster"


def at(manifest: Any, *path: str | int) -> Any:
    """Return the value at a path in an object, as in at(pod, "spec", "containers", 0, "image"); None for nothing."""
    for step in path:
        try:
            manifest = manifest[step]
        except (KeyError, IndexError, TypeError):
            return None
    return manifest


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def label(manifest: Manifest | None, name: str) -> str:
    """Return one of its labels, "" when it is missing."""
    return str(at(manifest, "metadata", "labels", name) or "")


def condition(manifest: Manifest | None, kind: str) -> Manifest:
    """The condition of this type, {} when there is none."""
    found = at(manifest, "status", "conditions") or []
    return next((each for each in found if each.get("type") == kind), {})


def is_ready(manifest: Manifest) -> bool:
    return condition(manifest, "Ready").get("status") == "True"


def marked(manifest: Manifest, kafka: str = "") -> Manifest:
    """Return the manifest with the label, and with that of its Kafka cluster."""
    labels = {**(manifest["metadata"].get("labels") or {}), LABEL: MAKER, **({INSTANCE: kafka} if kafka else {})}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def is_marked(manifest: Manifest | None) -> bool:
    return label(manifest, LABEL) == MAKER
