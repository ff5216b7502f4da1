"""Kinds of Kubernetes objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STRIMZI = "kafka.strimzi.io"


@dataclass(frozen=True)
class Kind:
    """A kind; `version` is the one that is used unless the cluster has been found to serve another."""

    name: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    served_as: str = ""
    """The plural that the cluster was found to use."""

    @property
    def plural(self) -> str:
        """Return the plural of URLs: kafkas, ingresses, networkpolicies."""
        name = self.name.lower()
        ends = {"s": f"{name}es", "y": f"{name[:-1]}ies"}
        return self.served_as or ends.get(name[-1], f"{name}s")

    def __str__(self) -> str:
        """Return the name as in rights: kafkas.kafka.strimzi.io."""
        return f"{self.plural}.{self.group}".rstrip(".")

    def named(self, name: str) -> str:
        """Return an object's name as in kubectl: deployment.apps/clickstream-producer."""
        return f"{self.name.lower()}.{self.group}".rstrip(".") + f"/{name}"


KAFKA = Kind("Kafka", STRIMZI)
POOL = Kind("KafkaNodePool", STRIMZI)
TOPIC = Kind("KafkaTopic", STRIMZI)
USER = Kind("KafkaUser", STRIMZI)
CONNECT = Kind("KafkaConnect", STRIMZI)
CONNECTOR = Kind("KafkaConnector", STRIMZI)
NAMESPACE = Kind("Namespace", namespaced=False)
NODE = Kind("Node", namespaced=False)
POD = Kind("Pod")
EVENT = Kind("Event")
SECRET = Kind("Secret")
SERVICE = Kind("Service")
SERVICE_ACCOUNT = Kind("ServiceAccount")
CONFIG_MAP = Kind("ConfigMap")
CLAIM = Kind("PersistentVolumeClaim")
DEPLOYMENT = Kind("Deployment", "apps")
STATEFUL_SET = Kind("StatefulSet", "apps")
REPLICA_SET = Kind("ReplicaSet", "apps")
JOB = Kind("Job", "batch")
CRON_JOB = Kind("CronJob", "batch")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io")
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io", namespaced=False)
BINDING = Kind("ClusterRoleBinding", "rbac.authorization.k8s.io", namespaced=False)
ROLE = Kind("ClusterRole", "rbac.authorization.k8s.io", namespaced=False)
DEFINITION = Kind("CustomResourceDefinition", "apiextensions.k8s.io", namespaced=False)
RULE = Kind("PrometheusRule", "monitoring.coreos.com")

OF_CHARTS = (
    *(DEPLOYMENT, CRON_JOB, JOB, POD, SERVICE, SERVICE_ACCOUNT, SECRET, CONFIG_MAP, NETWORK_POLICY),
    Kind("Role", "rbac.authorization.k8s.io"),
    Kind("RoleBinding", "rbac.authorization.k8s.io"),
    Kind("PodDisruptionBudget", "policy"),
    Kind("Ingress", "networking.k8s.io"),
    Kind("HorizontalPodAutoscaler", "autoscaling", "v2"),
)
"""What the apps' charts may make."""


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest; namespaces are the only ones here that are in no namespace themselves."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    return Kind(manifest["kind"], group, version, namespaced=manifest["kind"] != NAMESPACE.name)
