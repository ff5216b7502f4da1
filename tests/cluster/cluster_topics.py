"""What is in the topics of a cluster, read from inside of it.

A pod with the consumer's image and the user of strimzi/cli, which may read all of Clickstream's topics, waits in the
namespace; `refresh` runs read_topics.py in it and keeps what came since the last time.
"""

import json
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from cluster.commands import ROOT
from cluster.installation import CONSUMER, Installation, is_ready
from kit.poll import eventually
from kit.topics import Message

_SCRIPT = (Path(__file__).parent / "read_topics.py").read_text()
_POD = "topic-reader"
_USERS = ("kafka.strimzi.io", "v1")
# Dead letters last: each has its source among the events that were read before, or else with the next refresh.
_ISOLATIONS = {
    "clickstream-metrics": "read_committed",
    "clickstream-events": "read_uncommitted",
    "clickstream-dead-letters": "read_committed",
}


class ClusterTopics:
    """The topics as they were at the last `refresh`."""

    events = "clickstream-events"
    metrics = "clickstream-metrics"
    dead_letters = "clickstream-dead-letters"
    group_id = "clickstream-processor"

    def __init__(self, installation: Installation, isolations: Mapping[str, str] = _ISOLATIONS) -> None:
        """`isolations` are those in which topics are read."""
        self.installation = installation
        self._user = yaml.safe_load((ROOT / "strimzi/cli/kafka-cli-user.yaml").read_text())
        self._messages: dict[str, list[Message]] = defaultdict(list)
        self._next: dict[str, dict[str, Any]] = {
            topic: {"isolation": isolation, "positions": {}} for topic, isolation in isolations.items()
        }

    def read(self, topic: str, isolation: str) -> list[Message]:
        """The records, as they were read last."""
        assert isolation == self._next[topic]["isolation"], f"{topic} is read otherwise: {self._next[topic]}"
        return self._messages[topic]

    def refresh(self) -> None:
        """Read what is new."""
        command = ["kubectl", "--namespace", self.installation.namespace, "exec", _POD, "--"]
        command += ["python", "-c", _SCRIPT, json.dumps(self._next)]
        done = subprocess.run(command, capture_output=True, timeout=120)
        assert done.returncode == 0, f"the topics can't be read: {done.stderr.decode()[-2000:]}"
        *lines, last = zlib.decompress(done.stdout).decode().split("\n")
        for line in lines:
            topic, partition, offset, timestamp, key, value, headers = json.loads(line)
            read = ((name, _bytes(text) or b"") for name, text in headers)
            message = Message(topic, partition, offset, timestamp, _bytes(key), _bytes(value), tuple(read))
            self._messages[topic].append(message)
        for messages in self._messages.values():
            messages.sort(key=lambda each: (each.partition, each.offset))
        self._next = json.loads(last)

    def open(self) -> None:
        """Create the user and the pod."""
        installation = self.installation
        client.CustomObjectsApi().create_namespaced_custom_object(
            *_USERS, installation.namespace, "kafkausers", self._user
        )
        consumer = installation.apps.read_namespaced_deployment(CONSUMER, installation.namespace)
        pod = _reader(consumer.spec.template.spec, self._user["metadata"]["name"])
        installation.core.create_namespaced_pod(installation.namespace, pod)
        eventually(
            lambda: is_ready(installation.core.read_namespaced_pod(_POD, installation.namespace)),
            deadline_seconds=120,
            every=1,
        )

    def close(self) -> None:
        """Remove both, and wait until they are gone."""
        installation = self.installation
        installation.kubectl("delete", "pod", _POD, "--ignore-not-found", "--grace-period=0", "--force")
        installation.kubectl("delete", "kafkauser", self._user["metadata"]["name"], "--ignore-not-found")


def _reader(consumer: Any, user: str) -> dict[str, Any]:
    """The consumer's pod as another user, waiting instead of consuming."""
    api: Any = client.ApiClient()
    spec: dict[str, Any] = api.sanitize_for_serialization(consumer)
    container = spec["containers"][0]
    for unneeded in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
        del container[unneeded]
    container["command"] = ["python", "-c", "import signal; signal.pause()"]
    for variable in container["env"]:
        if variable["name"] == "KAFKA_SASL_USERNAME":
            variable["value"] = user
    for volume in spec["volumes"]:
        if volume["name"] == "kafka-user":
            volume["secret"]["secretName"] = user
    spec["terminationGracePeriodSeconds"] = 0
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": _POD}, "spec": spec}


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
