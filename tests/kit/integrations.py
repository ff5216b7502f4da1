"""The schemas of the charts' integrations: KEDA, the Prometheus operator and the Gateway API.

Each project publishes its custom resource definitions in its Go module, which `go mod download` fetches and keeps.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kit import structural_schema

_MODULES = {
    "keda.sh": ("github.com/kedacore/keda/v2@v2.17.2", "config/crd/bases/keda.sh_{plural}.yaml"),
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator@v0.83.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml",
    ),
    "gateway.networking.k8s.io": (
        "sigs.k8s.io/gateway-api@v1.3.0",
        "config/crd/standard/gateway.networking.k8s.io_{plural}.yaml",
    ),
}


class DefinitionMissing(Exception):
    """A definition is not available; the message says why."""


def is_integration(resource: Mapping[str, Any]) -> bool:
    """Whether the resource is of one of the integrated projects, rather than of Kubernetes itself."""
    return str(resource["apiVersion"]).split("/")[0] in _MODULES


def problems(resource: Mapping[str, Any]) -> list[str]:
    """Return why an API server would refuse the resource, unknown fields included. Raises DefinitionMissing."""
    group, version = str(resource["apiVersion"]).split("/")
    kind = str(resource["kind"])
    return [f"{kind} {each}" for each in structural_schema.problems(resource, _schema(group, version, kind))]


def _schema(group: str, version: str, kind: str) -> dict[str, Any]:
    module, file = _MODULES[group]
    definition = yaml.safe_load((_download(module) / file.format(plural=f"{kind.lower()}s")).read_text())
    versions = {each["name"]: each for each in definition["spec"]["versions"]}
    assert definition["spec"]["names"]["kind"] == kind
    assert versions[version]["served"]
    schema: dict[str, Any] = versions[version]["schema"]["openAPIV3Schema"]
    return schema


def _download(module: str) -> Path:
    go = shutil.which("go")
    if go is None:
        raise DefinitionMissing(f"there is no go to fetch {module} with")
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        env=os.environ | {"GOFLAGS": "-mod=mod"},
        cwd="/",
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        raise DefinitionMissing(f"go mod download {module} failed: {answer.get('Error') or done.stderr.strip()}")
    return Path(answer["Dir"])
