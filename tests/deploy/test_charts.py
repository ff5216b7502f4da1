"""The Helm charts as they render, without a cluster.

Every values file in a chart's ci/ folder is a way of installing it: each is linted, rendered, and checked against the
schemas of Kubernetes and of what the charts integrate with.
"""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from clickstream_core.settings import read_settings
from kit.helm import Charts
from kit.integrations import DefinitionMissing, is_integration, problems
from kit.inventory import settings_of
from kit.rendered import (
    APPS,
    RELEASES,
    SOURCE,
    VARIANTS,
    chart,
    environment,
    is_beside,
    is_test,
    of_kind,
    only,
    pod_specs,
    rendered,
    variant_objects,
)
from kit.skipping import skip


def test_every_chart_has_variants_to_check() -> None:
    assert {variant.split("/")[0] for variant in VARIANTS} == {chart(app) for app in APPS}
    assert len(VARIANTS) >= 12


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_passes_the_linter(charts: Charts, variant: str) -> None:
    linted = charts.run("lint", "--strict", str(charts.directory / Path(variant).parts[0]), "-f", str(SOURCE / variant))
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_what_kubernetes_takes(charts: Charts, variant: str, version: str) -> None:
    ours = [each for each in variant_objects(charts, variant) if not is_integration(each)]
    assert len(ours) >= 3
    for each in ours:
        assert kubernetes_validate.validate(each, version, strict=True) == version


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_what_the_integrations_take(charts: Charts, variant: str) -> None:
    integrations = [each for each in variant_objects(charts, variant) if is_integration(each)]
    try:
        assert [problem for each in integrations for problem in problems(each)] == []
    except DefinitionMissing as missing:
        skip(str(missing))


def test_the_variants_hold_all_integrations(charts: Charts) -> None:
    kinds = {each["kind"] for variant in VARIANTS for each in variant_objects(charts, variant) if is_integration(each)}
    assert kinds == {"ScaledObject", "TriggerAuthentication", "PodMonitor", "HTTPRoute"}


def test_the_integrations_check_can_fail(charts: Charts) -> None:
    scaled = only(rendered(charts, "streams", "--set", "keda.enabled=true"), "ScaledObject")
    scaled["spec"]["maxReplicas"] = 6
    scaled["spec"]["pollingInterval"] = "often"
    try:
        found = problems(scaled)
    except DefinitionMissing as missing:
        skip(str(missing))
    assert len(found) == 2
    assert "'maxReplicas' was unexpected" in "\n".join(found)
    assert "'often' is not of type 'integer'" in "\n".join(found)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_is_restricted(charts: Charts, variant: str) -> None:
    pods = pod_specs(variant_objects(charts, variant))
    assert pods
    for pod in pods:
        makes_pods = environment(pod["containers"][0]).get("SPARK_MASTER", "").startswith("k8s://")
        assert pod["automountServiceAccountToken"] is (makes_pods and pod["containers"][0]["name"] == "statistics")
        assert pod["enableServiceLinks"] is False
        chosen = {} if "openshift" in variant else {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} | chosen
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        (only_container,) = pod["containers"]
        assert only_container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "cpu" not in only_container["resources"]["limits"]
        assert only_container["resources"]["limits"].keys() == {"memory"}
        assert only_container["resources"]["requests"].keys() == {"cpu", "memory"}
        for volume in pod.get("volumes", []):
            if volume["name"] == "country":
                assert volume.keys() == {"name", "persistentVolumeClaim"}, "as the values say"
            elif volume["name"] == "tmp":
                assert volume.keys() == {"name", "emptyDir"}
            elif volume["name"] == "data":
                assert volume.keys() == {"name", "persistentVolumeClaim"}
            elif volume["name"] == "spark":
                assert volume.keys() == {"name", "configMap"}
            else:
                assert volume.keys() == {"name", "secret"}
                assert volume["secret"]["defaultMode"] == 0o440
        mounts = [mount for mount in only_container.get("volumeMounts", []) if mount["name"] not in ("tmp", "data")]
        assert all(mount["readOnly"] for mount in mounts)


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_is_called_like_the_release(charts: Charts, variant: str) -> None:
    release = RELEASES[variant.split("/")[0].removeprefix("clickstream-")]
    for each in variant_objects(charts, variant):
        name = each["metadata"]["name"]
        if each["kind"] == "ServiceAccount":
            assert name in (release, "analytics")
        elif each["kind"] in ("Job", "CronJob") or is_beside(each):
            assert name.startswith(f"{release}-")
        else:
            assert name == (f"{release}-test" if is_test(each) else release)
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "clickstream"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == release
        assert "namespace" not in each["metadata"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_whatever_selects_pods_selects_the_apps_pods_and_not_the_tests(charts: Charts, variant: str) -> None:
    objects = variant_objects(charts, variant)
    (pod_labels,) = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in objects
        if each["kind"] in ("Deployment", "Job") and not is_beside(each)
    ]
    test_labels = [each["metadata"]["labels"] for each in of_kind(objects, "Pod")]
    selectors = [only(objects, "Service")["spec"]["selector"]]
    for each in objects:
        if each["kind"] in ("Deployment", "PodDisruptionBudget", "PodMonitor") and not is_beside(each):
            selectors.append(each["spec"]["selector"]["matchLabels"])
        if each["kind"] == "NetworkPolicy" and not (is_test(each) or is_beside(each)):
            selectors.append(each["spec"]["podSelector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= pod_labels.items()
        assert not any(selector.items() <= labels.items() for labels in test_labels)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_environment_is_what_the_app_reads(
    charts: Charts, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = variant.split("/")[0].removeprefix("clickstream-")
    monkeypatch.setattr("clickstream_kafka.settings.KafkaSettings.ssl_context", lambda settings: None)
    (pod,) = [each for each in pod_specs(variant_objects(charts, variant)) if each["containers"][0]["name"] == app]
    given = environment(pod["containers"][0])
    for name in ("NODE_NAME", "POD_NAME", "POD_IP"):
        given.pop(name, None)
    # The storage's key is boto3's to read, and the kubelet puts it into the catalog's.
    given = {name: value for name, value in given.items() if not name.startswith("AWS_") and "$(" not in value}
    for name, value in given.items():
        if value.startswith("/"):
            (tmp_path / name).write_text("a secret long enough")
            given[name] = str(tmp_path / name)

    read = set()

    class Watched(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    settings = read_settings(settings_of(app), prog=app, description="", argv=[], environ=Watched(given))
    assert settings.service.http_port == 8080
    assert given.keys() <= read, "the app knows no setting of this name"
