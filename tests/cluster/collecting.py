"""Ways to the collector: from this machine as a user tries it, and from inside the cluster as a load."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client

from cluster.installation import COLLECTOR, Installation, is_ready
from kit.poll import eventually

_POD = "visitors"
_SCRIPT = (Path(__file__).parent / "post_events.py").read_text()
_FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")


@contextmanager
def forwarded(installation: Installation, service: str = COLLECTOR, port: int = 8080) -> Iterator[str]:
    """A service's address on this machine, as long as `kubectl port-forward` runs."""
    command = ["kubectl", "--namespace", installation.namespace, "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            local = _FORWARDED.search(line)
            assert local, f"kubectl port-forward says {line!r}"
            yield f"http://127.0.0.1:{local[1]}"
        finally:
            process.terminate()


def post(address: str, body: bytes, content_type: str = "application/json") -> tuple[int, Any]:
    """Post to /ingest; return the status and the answer's JSON."""
    request = urllib.request.Request(f"{address}/ingest", data=body, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


@dataclass
class Load:
    """What came of a load, once it has ended: answers by status or error, and posts by acknowledged event_id."""

    answers: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)


@contextmanager
def load(installation: Installation) -> Iterator[Load]:
    """Visitors who post while the block runs; what they got is in the Load after it."""
    _create_pod(installation)
    try:
        command = ["kubectl", "--namespace", installation.namespace, "exec", "-i", _POD, "--"]
        command += ["python", "-c", _SCRIPT, f"{COLLECTOR}:8080"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            measured = Load()
            try:
                yield measured
                printed, errors = process.communicate("enough\n", timeout=120)
            finally:
                process.kill()
        assert process.returncode == 0, f"the load ended with status {process.returncode}: {errors[-2000:]}"
        result = json.loads(printed)
        measured.answers, measured.acknowledged = result["answers"], result["acknowledged"]
    finally:
        installation.kubectl("delete", "pod", _POD, "--ignore-not-found", "--grace-period=0", "--force")


def _create_pod(installation: Installation) -> None:
    """A pod with the collector's image and security, but without its files; waits until it is Ready."""
    deployment = installation.apps.read_namespaced_deployment(COLLECTOR, installation.namespace)
    api: Any = client.ApiClient()
    spec: dict[str, Any] = api.sanitize_for_serialization(deployment.spec.template.spec)
    container = spec["containers"][0]
    for unneeded in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports", "env", "volumeMounts"):
        del container[unneeded]
    for unneeded in ("volumes", "topologySpreadConstraints"):
        del spec[unneeded]
    container["command"] = ["python", "-c", "import signal; signal.pause()"]
    spec["terminationGracePeriodSeconds"] = 0
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": _POD}, "spec": spec}
    installation.core.create_namespaced_pod(installation.namespace, body)
    eventually(
        lambda: is_ready(installation.core.read_namespaced_pod(_POD, installation.namespace)),
        deadline_seconds=120,
        every=1,
    )
