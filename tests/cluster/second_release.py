"""A further release of an app beside the first, that comes to Kafka with another user or password."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client

from cluster.commands import ROOT
from cluster.installation import PROCESSOR, Installation, is_ready
from kit.poll import eventually

_STRIMZI = ("kafka.strimzi.io", "v1")
_CHARTS = {PROCESSOR: "clickstream-streams"}


@contextmanager
def second_release(
    installation: Installation, like: str, name: str, folder: Path, settings: Mapping[str, str]
) -> Iterator[str]:
    """Install `name` with the values of the release `like` but for `settings`; removed at the end, its pods too."""
    chart = str(ROOT / "charts" / _CHARTS.get(like, like))
    values = folder / f"{name}.json"
    values.write_text(json.dumps(installation.values(like)))
    changes = [f"--set={setting}={value}" for setting, value in settings.items()]
    installation.helm("install", name, chart, f"--values={values}", *changes)
    try:
        yield name
    finally:
        installation.helm("uninstall", name, "--wait", "--cascade=foreground")  # which waits for pods as well


@contextmanager
def kafka_user(installation: Installation, name: str, acls: Sequence[Mapping[str, Any]] = ()) -> Iterator[str]:
    """A KafkaUser with a password, Ready; without `acls` it may do nothing."""
    objects: Any = client.CustomObjectsApi()
    place = (*_STRIMZI, installation.namespace, "kafkausers")
    spec: dict[str, Any] = {"authentication": {"type": "scram-sha-512"}}
    if acls:
        spec["authorization"] = {"type": "simple", "acls": list(acls)}
    metadata = {"name": name, "labels": {"strimzi.io/cluster": "data-on-eks"}}
    user = {"apiVersion": "/".join(_STRIMZI), "kind": "KafkaUser", "metadata": metadata, "spec": spec}
    objects.create_namespaced_custom_object(*place, user)
    try:
        installation.kubectl("wait", f"kafkauser/{name}", "--for=condition=Ready", "--timeout=120s")
        yield name
    finally:
        installation.kubectl("delete", "kafkauser", name)


@contextmanager
def password_secret(installation: Installation, name: str, password: str) -> Iterator[str]:
    """A Secret like the one that Strimzi makes for a KafkaUser."""
    body = {"metadata": {"name": name}, "stringData": {"password": password}}
    installation.core.create_namespaced_secret(installation.namespace, body)
    try:
        yield name
    finally:
        installation.core.delete_namespaced_secret(name, installation.namespace)


def set_password(installation: Installation, secret: str, password: str) -> None:
    """Change the Secret's password; the kubelet brings it to the pods within about a minute."""
    body = {"stringData": {"password": password}}
    installation.core.patch_namespaced_secret(secret, installation.namespace, body)


def password_of(installation: Installation, user: str) -> str:
    """The password that Strimzi has made for the KafkaUser."""
    secret = installation.core.read_namespaced_secret(user, installation.namespace)
    return base64.b64decode(secret.data["password"]).decode()


def wait_for_refusal(installation: Installation, release: str, said: str) -> None:
    """Wait until the release's pod has said so in one line of its log; it must not be Ready then."""

    def refused() -> bool:
        (pod,) = installation.pods(release)
        lines = installation.log(pod.metadata.name).splitlines()
        assert any(said in line for line in lines), f"{release} has not said {said!r}, but: {lines[-20:]}"
        assert not is_ready(pod), f"{release} is Ready"
        return True

    eventually(refused, deadline_seconds=120, every=1)
