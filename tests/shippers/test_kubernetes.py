"""shippers/kustomization.yaml: what it builds is valid, restricted, and fits the users and configurations."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from kit.kustomize import KustomizeMissing, build, find_kustomize
from kit.skipping import skip
from kit.structural_schema import load_documents

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built() -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by kind and name, the hashes of generated names cut off."""
    try:
        text = build(find_kustomize(ROOT / ".local" / "bin"), ROOT / "shippers")
    except KustomizeMissing as missing:
        skip(str(missing))
    documents = load_documents(text)
    for each in documents:
        kubernetes_validate.validate(each, "1.34", strict=True)
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def pods(built: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: each["spec"]["template"]["spec"] for (kind, name), each in built.items() if kind == "StatefulSet"}


def test_pods_are_restricted_and_name_images_by_version(built: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert set(pods(built)) == {"tracking-server", "web-logs"}
    for pod in pods(built).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["image"].rpartition(":")[2][0].isdigit()


def test_what_must_outlive_a_pod_is_on_its_claim(built: dict[tuple[str, str], dict[str, Any]]) -> None:
    claimed = {
        (name, mount["mountPath"])
        for name, pod in pods(built).items()
        for container in pod["containers"]
        for mount in container["volumeMounts"]
        if mount["name"] in ("data", "storage")
    }
    assert claimed == {
        ("tracking-server", "/var/log/clickstream"),
        ("tracking-server", "/fluentd/status"),
        ("tracking-server", "/fluentd/buffer"),
        ("web-logs", "/fluent-bit/storage"),
    }


def test_each_logs_in_as_its_user_and_has_each_setting(built: dict[tuple[str, str], dict[str, Any]]) -> None:
    users = {path.stem for path in (ROOT / "strimzi/shippers").glob("clickstream-*.yaml")}
    for name, configuration in (("tracking-server", "fluentd"), ("web-logs", "fluent-bit/fluent-bit.conf")):
        container = pods(built)[name]["containers"][-1]
        given = {each["name"]: each for each in container["env"]}
        assert given["KAFKA_SASL_USERNAME"]["value"] in users
        assert given["KAFKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] in users
        files = sorted((ROOT / "shippers" / configuration).glob("*.conf")) or [ROOT / "shippers" / configuration]
        text = "".join(each.read_text(encoding="utf-8") for each in files)
        places = yaml.safe_dump([each for (kind, _), each in built.items() if kind == "ConfigMap"])
        for variable in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SSL_CAFILE", "S3_BUCKET", "OPENSEARCH_HOST", "AWS_REGION"):
            if variable in text:
                assert variable in given or f"{variable}:" in places
