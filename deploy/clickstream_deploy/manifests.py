"""The manifests in strimzi/, for the cluster that the user named."""

from typing import Any

import yaml

from clickstream_deploy.apps import ROOT
from clickstream_deploy.errors import EndedError
from clickstream_deploy.objects import Manifest
from clickstream_deploy.options import DEFAULT_CLUSTER_NAME
from clickstream_deploy.session import Session


def manifests(session: Session, folder: str) -> list[Manifest]:
    """Return what kustomize renders from strimzi/FOLDER, where data-on-eks stands only for the cluster's name."""
    made = session.programs.run("kubectl", "kustomize", str(ROOT / "strimzi" / folder))
    if made.status != 0:
        raise EndedError(f"kubectl kustomize strimzi/{folder} failed: {made.error.strip()}")
    return renamed(made.output, session.kafka)


def renamed(text: str, cluster_name: str) -> list[Manifest]:
    """The manifests in YAML, for the cluster of this name."""
    return [_named(each, cluster_name) for each in yaml.safe_load_all(text) if each is not None]


def _named(value: Any, cluster_name: str) -> Any:
    if isinstance(value, str):
        return value.replace(DEFAULT_CLUSTER_NAME, cluster_name)
    if isinstance(value, list):
        return [_named(each, cluster_name) for each in value]
    if isinstance(value, dict):
        return {_named(name, cluster_name): _named(each, cluster_name) for name, each in value.items()}
    return value
