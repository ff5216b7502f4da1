"""Validates a custom resource as an API server with strict field validation does, without one.

The schema of a CustomResourceDefinition is structural: it names all fields. So a field that it does not name is an
error, and `problems` returns it, as `kubectl apply --validate=strict` does. CEL rules (x-kubernetes-validations) are
not evaluated here; only an API server does that.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema
import yaml

_ENVELOPE = ("apiVersion", "kind", "metadata")
_METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name"],
}


def load_documents(text: str) -> list[Any]:
    """Return the documents of a YAML file; a duplicate key raises ValueError, as in strict mode."""
    return [document for document in yaml.load_all(text, _UniqueKeys) if document is not None]


def problems(resource: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return why an API server would refuse the resource; `schema` is its version's openAPIV3Schema."""
    complete = {
        **schema,
        # Such a schema does not describe metadata; the API server knows it.
        "properties": {**schema["properties"], "metadata": _METADATA},
        "required": [*schema.get("required", ()), *_ENVELOPE],
    }
    found = jsonschema.Draft202012Validator(_closed(complete)).iter_errors(resource)
    return [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in found]


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that refuses fields it does not name."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(field) for name, field in schema["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            closed[keyword] = _closed(schema[keyword])
    if schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys; this refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise ValueError(f"line {node.start_mark.line + 1}: {', '.join(sorted(map(str, twice)))} is there twice")
        return super().construct_mapping(node, deep)
