"""Kinds of Kubernetes objects, and reading objects as the API sends them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
"""An object as in JSON."""

STRIMZI_API = "kafka.strimzi.io"


@dataclass(frozen=True)
class Resource:
    """A kind; `version` is the one that is used unless the cluster has been found to serve another."""

    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    served_as: str = ""
    """The plural that the cluster was found to use."""

    @property
    def plural(self) -> str:
        """Return the plural of URLs: kafkas, ingresses, networkpolicies."""
        if self.served_as:
            return self.served_as
        name = self.kind.lower()
        if name.endswith("s"):
            return f"{name}es"
        return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"

    def __str__(self) -> str:
        """Return the name with its group, as in rights: kafkas.kafka.strimzi.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def named(self, name: str) -> str:
        """Return an object's name as in kubectl: deployment.apps/clickstream-producer."""
        kind = self.kind.lower()
        return f"{kind}.{self.group}/{name}" if self.group else f"{kind}/{name}"


KAFKA = Resource("Kafka", STRIMZI_API)
POOL = Resource("KafkaNodePool", STRIMZI_API)
TOPIC = Resource("KafkaTopic", STRIMZI_API)
USER = Resource("KafkaUser", STRIMZI_API)
NAMESPACE = Resource("Namespace", namespaced=False)
NODE = Resource("Node", namespaced=False)
POD = Resource("Pod")
EVENT = Resource("Event")
SECRET = Resource("Secret")
SERVICE = Resource("Service")
SERVICE_ACCOUNT = Resource("ServiceAccount")
CONFIG_MAP = Resource("ConfigMap")
CLAIM = Resource("PersistentVolumeClaim")
DEPLOYMENT = Resource("Deployment", "apps")
REPLICA_SET = Resource("ReplicaSet", "apps")
STORAGE_CLASS = Resource("StorageClass", "storage.k8s.io", namespaced=False)
BINDING = Resource("ClusterRoleBinding", "rbac.authorization.k8s.io", namespaced=False)
ROLE = Resource("ClusterRole", "rbac.authorization.k8s.io", namespaced=False)
DEFINITION = Resource("CustomResourceDefinition", "apiextensions.k8s.io", namespaced=False)
RULE = Resource("PrometheusRule", "monitoring.coreos.com")


def resource_of(manifest: Mapping[str, Any]) -> Resource:
    """The kind of a manifest; namespaces are the only ones here that are in no namespace themselves."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    return Resource(manifest["kind"], group, version, namespaced=manifest["kind"] != "Namespace")


def at(manifest: Any, *path: str | int) -> Any:
    """Return the value at a path in an object, as in at(pod, "spec", "containers", 0, "image"); None for nothing."""
    for step in path:
        if isinstance(step, int):
            manifest = manifest[step] if isinstance(manifest, list) and len(manifest) > step else None
        else:
            manifest = manifest.get(step) if isinstance(manifest, dict) else None
    return manifest


def name_of(manifest: Manifest) -> str:
    """Its name."""
    return str(manifest["metadata"]["name"])


def label(manifest: Manifest, name: str) -> str:
    """Return one of its labels, "" when it is missing."""
    return str((at(manifest, "metadata", "labels") or {}).get(name, ""))


def condition(manifest: Manifest, kind: str) -> Manifest:
    """The condition of this type, {} when there is none."""
    found = at(manifest, "status", "conditions") or []
    return next((each for each in found if each.get("type") == kind), {})
