"""The samples in docs/: what they name exists, and the charts take their values."""

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from clickstream_core import __version__
from clickstream_deploy.programs import HELM_AT_LEAST
from kit.helm import Charts
from kit.kustomize import KustomizeMissing, build, find_kustomize
from kit.skipping import skip
from kit.strimzi import STRIMZI_VERSION
from kit.structural_schema import load_documents

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RELEASES = {
    "clickstream-producer": "charts/clickstream-producer",
    "clickstream-streams-processor": "charts/clickstream-streams",
    "clickstream-consumer": "charts/clickstream-consumer",
    "clickstream-collector": "charts/clickstream-collector",
    "clickstream-archive": "charts/clickstream-archive",
    "clickstream-scenarios": "charts/clickstream-scenarios",
    "clickstream-statistics": "charts/clickstream-statistics",
}
CONNECTION = {
    "bootstrapServers": "data-on-eks-kafka-bootstrap:9093",
    "tls": {"enabled": True},
    "authentication": {"type": "scram-sha-512"},
}


def sample(path: str) -> dict[tuple[str, str], Any]:
    """The resources of a file in docs/, by kind and name."""
    documents = load_documents((DOCS / path).read_text(encoding="utf-8"))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def argo_cd_release(name: str) -> tuple[str, str, dict[str, Any]]:
    application = sample("gitops/argo-cd.yaml")["Application", name]["spec"]
    assert application["destination"]["namespace"] == "kafka"
    assert "prune" not in application["syncPolicy"]["automated"]
    source = application["source"]
    return source["path"], source["helm"]["releaseName"], source["helm"]["valuesObject"]


def flux_release(name: str) -> tuple[str, str, dict[str, Any]]:
    release = sample("gitops/flux.yaml")["HelmRelease", name]["spec"]
    assert release["targetNamespace"] == "kafka"
    return release["chart"]["spec"]["chart"], release["releaseName"], release["values"]


@pytest.mark.parametrize("release_of", [argo_cd_release, flux_release])
@pytest.mark.parametrize("name", RELEASES)
def test_a_release_is_one_of_ours_and_its_chart_takes_the_values(
    name: str, release_of: Any, charts: Charts, tmp_path: Path
) -> None:
    path, release, values = release_of(name)
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))

    objects = charts.objects(Path(path).name, "--values", str(file), release=release)

    assert (path, release) == (RELEASES[name], name)
    deployments = [each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"]
    assert name in deployments
    assert values["kafka"] == CONNECTION
    assert values["image"]["tag"] == __version__


@pytest.mark.parametrize("release_of", [argo_cd_release, flux_release])
def test_dashboard_and_rules_are_a_release_of_their_own(release_of: Any, charts: Charts, tmp_path: Path) -> None:
    path, release, values = release_of("clickstream-monitoring")
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))

    objects = charts.objects("clickstream-monitoring", "--values", str(file), release=release)

    assert (path, release) == ("monitoring", "clickstream-monitoring")
    assert {each["kind"] for each in objects} == {"ConfigMap", "PrometheusRule"}


def test_both_install_this_strimzi_and_the_manifests_of_production() -> None:
    argo_cd, flux = sample("gitops/argo-cd.yaml"), sample("gitops/flux.yaml")

    assert argo_cd["Application", "strimzi"]["spec"]["source"]["targetRevision"] == STRIMZI_VERSION
    strimzi = flux["HelmRelease", "strimzi-cluster-operator"]["spec"]
    assert strimzi["chart"]["spec"]["version"] == STRIMZI_VERSION
    path = argo_cd["Application", "clickstream-kafka"]["spec"]["source"]["path"]
    kustomization = flux["Kustomization", "clickstream-kafka"]["spec"]
    assert kustomization["path"] == f"./{path}"
    assert kustomization["prune"] is False
    assert (ROOT / path / "kustomization.yaml").exists()


def argo_cd_collector_user() -> str:
    application = sample("gitops/argo-cd.yaml")["Application", "clickstream-collector-user"]["spec"]
    assert application["destination"]["namespace"] == "kafka"
    assert "prune" not in application["syncPolicy"]["automated"]
    return str(application["source"]["path"])


def flux_collector_user() -> str:
    kustomization = sample("gitops/flux.yaml")["Kustomization", "clickstream-collector-user"]["spec"]
    assert kustomization["targetNamespace"] == "kafka"
    assert kustomization["prune"] is False
    return str(kustomization["path"])


@pytest.mark.parametrize(
    ("path_of", "release_of"),
    [(argo_cd_collector_user, argo_cd_release), (flux_collector_user, flux_release)],
    ids=["argo", "flux"],
)
def test_the_collector_logs_in_as_the_user_that_the_samples_create(path_of: Any, release_of: Any) -> None:
    folder = ROOT / path_of()
    (file,) = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    user = yaml.safe_load((folder / file).read_text())
    _, release, values = release_of("clickstream-collector")

    assert user["kind"] == "KafkaUser"
    assert user["metadata"]["name"] == release
    assert user["spec"]["authentication"]["type"] == values["kafka"]["authentication"]["type"]


def argo_cd_archive() -> tuple[str, list[dict[str, Any]]]:
    application = sample("gitops/argo-cd.yaml")["Application", "clickstream-connect"]["spec"]
    assert "prune" not in application["syncPolicy"]["automated"]
    return application["source"]["path"], application["source"]["kustomize"]["patches"]


def flux_archive() -> tuple[str, list[dict[str, Any]]]:
    kustomization = sample("gitops/flux.yaml")["Kustomization", "clickstream-connect"]["spec"]
    assert kustomization["prune"] is False
    return kustomization["path"].removeprefix("./"), kustomization["patches"]


@pytest.mark.parametrize(
    ("archive", "release_of"), [(argo_cd_archive, argo_cd_release), (flux_archive, flux_release)], ids=["argo", "flux"]
)
def test_the_sink_writes_where_the_jobs_of_the_archive_read(archive: Any, release_of: Any, tmp_path: Path) -> None:
    path, patches = archive()
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [os.path.relpath(ROOT / path, tmp_path)], "patches": patches})
    )
    try:
        manifests = load_documents(build(find_kustomize(ROOT / ".local" / "bin"), tmp_path))
    except KustomizeMissing as error:
        skip(str(error))

    values = release_of("clickstream-archive")[2]
    (connect,) = (each["spec"] for each in manifests if each["kind"] == "KafkaConnect")
    (connector,) = (each["spec"] for each in manifests if each["kind"] == "KafkaConnector")
    environment = {each["name"]: each.get("value") for each in connect["template"]["connectContainer"]["env"]}
    assert connect["image"] == f"{values['image']['registry']}/clickstream-connect:{__version__}"
    assert connect["bootstrapServers"] == values["kafka"]["bootstrapServers"]
    assert connector["config"]["iceberg.catalog.type"] == values["catalog"]["type"]
    assert environment["WAREHOUSE"] == values["catalog"]["warehouse"]
    assert environment["S3_REGION"] == values["s3"]["region"]


def test_the_docs_ask_for_the_helm_that_setup_asks_for() -> None:
    least = ".".join(map(str, HELM_AT_LEAST))
    assert f"`helm` ({least} or newer)" in (DOCS / "deploy.md").read_text(encoding="utf-8")


def test_the_storage_class_is_the_one_that_eks_asks_for() -> None:
    (storage_class,) = load_documents((ROOT / "infra/modules/eks/storage-class-gp3.yaml").read_text(encoding="utf-8"))

    kubernetes_validate.validate(storage_class, "1.34", strict=True)
    assert storage_class["metadata"]["name"] == "gp3"
    assert storage_class["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
    assert (storage_class["parameters"]["type"], storage_class["parameters"]["encrypted"]) == ("gp3", "true")
