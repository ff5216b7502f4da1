"""The schemas of what the charts integrate with: KEDA, the Prometheus operator and the Gateway API.

Each project publishes its custom resource definitions in its Go module, which `go mod download` fetches and keeps.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

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
    """A definition cannot be had; the message says why."""


def is_integration(resource: Mapping[str, Any]) -> bool:
    """Whether the resource is of one of the integrated projects, rather than of Kubernetes itself."""
    return str(resource["apiVersion"]).split("/")[0] in _MODULES


def problems(resource: Mapping[str, Any]) -> list[str]:
    """Return what an API server would refuse the resource for, unknown fields included. Raises DefinitionMissing."""
    group, version = str(resource["apiVersion"]).split("/")
    schema = _strict(_schema(group, version, str(resource["kind"])))
    found = jsonschema.Draft202012Validator(schema).iter_errors(resource)
    return [f"{resource['kind']} {error.json_path}: {error.message}" for error in found]


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


def _strict(schema: Any) -> Any:
    """The schema of a definition names all fields, so one that it does not name is a mistake."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: value if key in ("anyOf", "oneOf", "not", "enum", "default") else _strict(value)
        for key, value in schema.items()
    }
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed["additionalProperties"] = False
    return closed
