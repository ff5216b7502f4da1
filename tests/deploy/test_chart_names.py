"""What the charts' objects are called, and that names and values stay text whatever YAML could take them for."""

from pathlib import Path

import kubernetes_validate
import pytest

from kit.helm import Charts
from kit.integrations import is_integration
from kit.rendered import APPS, RELEASES, SOURCE, Object, chart, environment, of_kind, only, pod_specs, rendered

WORDS = ["on", "null", "123", "1e3"]
"""Names for Kubernetes, and for YAML something else."""


def everything(charts: Charts, app: str, *options: str, release: str, namespace: str = "kafka") -> list[Object]:
    values = SOURCE / chart(app) / "ci/03-everything-values.yaml"
    return charts.objects(
        chart(app), "--values", str(values), "--namespace", namespace, "--set", "replicas=1", *options, release=release
    )


def names(objects: list[Object]) -> set[str]:
    """The names of all objects but the account, which the values name."""
    return {each["metadata"]["name"] for each in objects if each["kind"] != "ServiceAccount"}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("app", APPS)
def test_a_release_may_be_called_like_a_word_of_yaml(charts: Charts, app: str, word: str) -> None:
    objects = everything(charts, app, release=word, namespace=word)
    assert {word, f"{word}-test"} <= names(objects)
    for each in objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == word
        if not is_integration(each):
            kubernetes_validate.validate(each, "1.34", strict=True)
    for pod in pod_specs(objects):
        assert all(isinstance(each.get("value", ""), str) for each in pod["containers"][0]["env"])


@pytest.mark.parametrize("word", ["123", "~", "yes", "1.20", "12:30", "- #", 'a"b\\c'])
@pytest.mark.parametrize("app", APPS)
def test_a_value_may_be_a_word_of_yaml(charts: Charts, app: str, word: str, tmp_path: Path) -> None:
    texts = {"kafka.tls.caSecret", "kafka.authentication.secret", "kafka.authentication.username"}
    texts |= {"serviceAccount.name", "image.tag", "image.repository", "nodeSelector.a", "podLabels.a"}
    texts |= {"extraEnv[0].value", "podAnnotations.a", "serviceAccount.annotations.a"}
    texts |= {
        "streams": {"groupId"},
        "archive": {"processor.groupId"},
        "scenarios": {"groupId", "admin.ingress.className", "admin.usersSecret", "redis.secret", "migration.secret"},
        "statistics": {"redis.secret", "s3.secret", "spark.options.a"},
        "consumer": {"groupId"},
        "collector": {"ingress.className"},
    }.get(app, set())
    given = tmp_path / "word"
    given.write_text(word)
    options = [part for text in sorted(texts) for part in ("--set-file", f"{text}={given}")]
    if app == "collector":
        options += ["--set", "ingress.enabled=true,ingress.hosts={a.example}"]
    registry = ("--set", "extraEnv[0].name=A,image.registry=,image.digest=")
    objects = everything(charts, app, *options, *registry, release=RELEASES[app])

    for each in objects:
        if not is_integration(each):
            kubernetes_validate.validate(each, "1.34", strict=True)
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"{word}:{word}"
    assert environment(container)["A"] == environment(container)["KAFKA_SASL_USERNAME"] == word
    assert environment(container).get("GROUP_ID", word) == word
    assert pod["serviceAccountName"] == pod["nodeSelector"]["a"] == word
    assert {volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"].startswith("kafka-")} == {
        word
    }


@pytest.mark.parametrize("app", APPS)
def test_alone_everything_is_called_like_its_release(charts: Charts, app: str) -> None:
    objects = everything(charts, app, release="load")
    beside = {"archive": ("job", "compact", "report", "verify"), "scenarios": ("admin", "migrate")}
    beside |= {"statistics": ("executor",)}
    assert names(objects) == {"load", "load-test", *(f"load-{each}" for each in beside.get(app, ()))}


@pytest.mark.parametrize(
    ("options", "release", "name", "label"),
    [
        ("nameOverride=page", "rel", "rel-page", "page"),
        ("nameOverride=page", "page-1", "page-1", "page"),
        ("fullnameOverride=page", "rel", "page", "clickstream-consumer"),
        ("nameOverride=a,fullnameOverride=page", "rel", "page", "a"),
        (f"nameOverride={'a' * 63}", "rel", f"rel-{'a' * 59}", "a" * 63),
    ],
)
def test_names_can_be_chosen(charts: Charts, options: str, release: str, name: str, label: str) -> None:
    objects = charts.objects("clickstream-consumer", "--set", options, release=release)
    assert names(objects) == {name, f"{name}-test"}
    assert only(objects, "ServiceAccount")["metadata"]["name"] == name
    deployment = only(objects, "Deployment")
    selected = {"app.kubernetes.io/name": label, "app.kubernetes.io/instance": release}
    assert deployment["spec"]["selector"]["matchLabels"] == only(objects, "Service")["spec"]["selector"] == selected
    (test,) = of_kind(objects, "Pod")
    assert test["spec"]["containers"][0]["args"][1] == f"http://{name}:8080"


def test_a_job_of_a_long_name_can_be_made(charts: Charts) -> None:
    objects = rendered(charts, "producer", "--set", f"duration=5m,fullnameOverride={'a' * 63}")
    assert len(only(objects, "Job")["metadata"]["name"]) == 63


@pytest.mark.parametrize("version", ["1.30.0", "v1.30.5-eks-1234567", "v1.31.2-gke.1000", "v1.34.1+k3s1"])
def test_clusters_since_1_30_are_served(charts: Charts, version: str) -> None:
    for app in APPS:
        assert charts.template(chart(app), "--kube-version", version).returncode == 0


@pytest.mark.parametrize("version", ["1.29.9", "v1.29.3-eks-1234567", "1.21.0"])
def test_an_older_cluster_is_refused(charts: Charts, version: str) -> None:
    for app in APPS:
        refused = charts.template(chart(app), "--kube-version", version)
        assert "chart requires kubeVersion: >=1.30.0-0" in refused.stderr


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("option", ["runAsUser=null", "runAsGroup=null", "fsGroup=null", "seccompProfile=null"])
def test_a_field_of_the_security_context_can_be_left_out(charts: Charts, app: str, option: str) -> None:
    field = option.partition("=")[0]
    for pod in pod_specs(rendered(charts, app, "--set", f"podSecurityContext.{option}")):
        default = {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile"}
        assert pod["securityContext"].keys() == default - {field}
    for pod in pod_specs(rendered(charts, app, "--set", "podSecurityContext=null")):
        assert "securityContext" not in pod
