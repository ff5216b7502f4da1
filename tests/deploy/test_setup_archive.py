"""setup.sh --archive and what cleanup.sh leaves of it, with the real manifests on a Kubernetes API in memory."""

import math
from typing import Any

import pytest

from kit.fake_kubernetes import (
    RELEASES,
    STRIMZI,
    FakeCluster,
    Manifest,
    healthy_cluster,
    listener,
    manifest,
    pod,
)
from kit.inventory import ROOT
from kit.kustomize import KustomizeMissing, build, find_kustomize
from kit.skipping import skip
from kit.structural_schema import load_documents

ARCHIVE = "clickstream-archive"
KINDS = ("Kafka", "KafkaConnect", "KafkaConnector", "KafkaNodePool", "KafkaTopic", "KafkaUser")
CONNECT_TOPICS = [f"clickstream-connect-{each}" for each in ("configs", "offsets", "status")]
ARCHIVE_TOPICS = [f"{ARCHIVE}-control", f"{ARCHIVE}-refused", *CONNECT_TOPICS]
BUCKET = ["--archive", "--archive-bucket", "example-archive", "--archive-region", "eu-central-1"]
STORAGE_POD = {"app.kubernetes.io/name": "clickstream-seaweedfs"}
FAILED = "The following tasks have failed: 0, see connectorStatus for more details."
TRACE = """\
org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:643)
Caused by: org.apache.iceberg.exceptions.NotAuthorizedException: Not authorized: no such access key
\tat org.apache.iceberg.rest.ErrorHandlers$DefaultErrorHandler.accept(ErrorHandlers.java:212)
"""


@pytest.fixture(scope="module")
def manifests() -> dict[str, list[Manifest]]:
    """What kustomize makes of the archive's folders."""
    try:
        kustomize = find_kustomize(ROOT / ".local/bin")
    except KustomizeMissing as missing:
        skip(str(missing))
    folders = ("archive/dev", "archive/glue", "archive/users", "archive/topics", "archive/dev/topics")
    return {folder: load_documents(build(kustomize, ROOT / "strimzi" / folder)) for folder in folders}


@pytest.fixture
def cluster(manifests: dict[str, list[Manifest]]) -> FakeCluster:
    """A healthy one that serves Connect, with the archive's manifests; the storage's pod is Ready at once."""
    found = healthy_cluster()
    found.api.serve(STRIMZI, "v1", *KINDS)
    found.programs.manifests |= manifests
    found.api.add(pod("clickstream-seaweedfs-0", ready=True, labels=STORAGE_POD))
    return found


def connect(cluster: FakeCluster) -> Any:
    """The specification of the KafkaConnect."""
    return cluster.api.of("KafkaConnect")["clickstream-connect"]["spec"]


def environment(cluster: FakeCluster) -> dict[str, Any]:
    """The variables of Connect's container: a value, or the Secret that has it."""
    container = connect(cluster)["template"]["connectContainer"]
    return {each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"]}


# Options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--archive-bucket", "x-archive"], "--archive-bucket is for the archive: give --archive too"),
        (["--archive", "--archive-secret", "s3"], "--archive-secret is for a bucket: give --archive-bucket too"),
        (["--archive", "--archive-region", "eu-west-1"], "--archive-region is for a bucket: give --archive-bucket"),
        (
            ["--archive", "--archive-bucket", "s3://x"],
            "--archive-bucket=s3://x: expected a bucket's name without s3://",
        ),
        (["--archive", "--archive-bucket", "ab"], "3 to 63 lower-case letters"),
        (["--archive", "--archive-bucket", "My-Bucket"], "--archive-bucket=My-Bucket: expected"),
        (["--archive", "--archive-bucket", "a..b"], "--archive-bucket=a..b: expected"),
        (["--archive", "--archive-bucket", "10.0.0.1"], "--archive-bucket=10.0.0.1: expected"),
        (
            ["--archive", "--archive-bucket", "abc", "--archive-secret", "A"],
            "--archive-secret=A: expected",
        ),
        (
            ["--archive", "--archive-bucket", "abc", "--archive-region", "Europe"],
            "--archive-region=Europe: expected",
        ),
        (["--values", "clickstream-archive=/dev/null"], "clickstream-archive is installed with --archive"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    cluster: FakeCluster, arguments: list[str], message: str
) -> None:
    finished = cluster.run("setup.sh", *arguments)
    assert (finished.status, cluster.happened, cluster.api.asked) == (2, [], [])
    assert message in finished.error
    assert finished.error.count("\n") == 1


# In the cluster


def test_the_archive_comes_after_topics_and_users_and_before_the_apps(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--archive")
    assert finished.status == 0, finished.error
    made = [each for each in cluster.happened if "clickstream-" in each]
    order = [
        "create KafkaTopic/clickstream-archive-control",
        "apply KafkaUser/clickstream-connect",
        "create Secret/clickstream-archive-s3",
        "apply StatefulSet/clickstream-seaweedfs",
        "apply KafkaConnect/clickstream-connect",
        "apply KafkaConnector/clickstream-archive",
        "install clickstream-consumer",
        "install clickstream-archive",
    ]
    assert [each for each in made if each in order] == order
    assert cluster.installed() == [*RELEASES, ARCHIVE]
    assert set(ARCHIVE_TOPICS) <= cluster.api.of("KafkaTopic").keys()
    assert {each["spec"]["replicas"] for each in cluster.api.of("KafkaTopic").values()} == {1}
    assert {ARCHIVE, "clickstream-connect"} <= cluster.api.of("KafkaUser").keys()
    for each in ("clickstream-seaweedfs is Ready", "KafkaConnect clickstream-connect is Ready", f"{ARCHIVE} is Ready"):
        assert each in finished.output
    assert "kubectl create job verify-now --from=cronjob/clickstream-archive-verify -n kafka" in finished.output


def test_connect_gets_kafkas_connection_and_the_storages_key(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", "--archive").status == 0
    spec = connect(cluster)
    assert spec["bootstrapServers"] == "data-on-eks-kafka-bootstrap:9093"
    assert spec["tls"]["trustedCertificates"][0]["secretName"] == "data-on-eks-cluster-ca-cert"
    assert spec["authentication"]["username"] == "clickstream-connect"
    assert spec["version"] == "4.3.1"
    assert environment(cluster) == {
        "AWS_ACCESS_KEY_ID": "clickstream-archive-s3",
        "AWS_SECRET_ACCESS_KEY": "clickstream-archive-s3",
        "CATALOG_URI": "http://clickstream-seaweedfs:8181",
        "CATALOG_CREDENTIAL": "$(AWS_ACCESS_KEY_ID):$(AWS_SECRET_ACCESS_KEY)",
        "WAREHOUSE": "s3://clickstream-archive",
        "S3_ENDPOINT": "http://clickstream-seaweedfs:8333",
        "S3_REGION": "us-east-1",
    }
    names = [each["name"] for each in spec["template"]["connectContainer"]["env"]]
    assert names.index("AWS_SECRET_ACCESS_KEY") < names.index("CATALOG_CREDENTIAL"), "the kubelet looks back only"
    values = cluster.values(ARCHIVE)
    assert values.keys() == {"kafka", "processor"}, "the chart's defaults are this storage"
    assert values["processor"] == {"outOfOrderness": "5s", "allowedLateness": "1m"}, "what the processor has"


def test_the_storages_key_is_made_once(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", "--archive").status == 0
    first = cluster.api.of("Secret")["clickstream-archive-s3"]["data"]
    assert first.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert cluster.run("setup.sh", "--archive").status == 0
    assert cluster.matching("create Secret") == ["create Secret/clickstream-archive-s3"]


@pytest.mark.parametrize(
    ("listeners", "connection", "port"),
    [
        ([listener("plain", 9092, False)], {"tls": None, "authentication": None}, 9092),
        ([listener("mutual", 9095, True, "tls")], {"authentication": {"type": "tls"}}, 9095),
        ([listener("scram", 9094, False, "scram-sha-512")], {"tls": None}, 9094),
    ],
)
def test_connect_follows_the_listener(
    cluster: FakeCluster, listeners: list[Manifest], connection: dict[str, Any], port: int
) -> None:
    kafka = cluster.kafka()["spec"]["kafka"]
    kafka["listeners"] = listeners
    if connection.get("authentication", "") is None:
        del kafka["authorization"]
    assert cluster.run("setup.sh", "--archive").status == 0
    spec = connect(cluster)
    assert spec["bootstrapServers"] == f"data-on-eks-kafka-bootstrap:{port}"
    for name, expected in connection.items():
        assert (name in spec) == (expected is not None)
    if connection.get("authentication"):
        certificate = {"secretName": "clickstream-connect", "certificate": "user.crt", "key": "user.key"}
        assert spec["authentication"] == {"type": "tls", "certificateAndKey": certificate}
    egress = cluster.api.of("NetworkPolicy")["clickstream-connect-egress"]["spec"]["egress"]
    assert [{"port": port}] in [rule["ports"] for rule in egress]


def test_image_and_platform_are_those_that_were_asked_for(cluster: FakeCluster) -> None:
    options = ["--image-registry", "ghcr.io/example", "--image-tag", "v2", "--platform", "arm64"]
    assert cluster.run("setup.sh", "--archive", *options).status == 0
    storage = cluster.api.of("StatefulSet")["clickstream-seaweedfs"]["spec"]["template"]["spec"]
    assert storage["containers"][0]["image"] == "ghcr.io/example/clickstream-seaweedfs:v2"
    assert storage["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert connect(cluster)["image"] == "ghcr.io/example/clickstream-connect:v2"
    affinity = connect(cluster)["template"]["pod"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]


def test_another_clusters_name_is_put_in_everywhere(cluster: FakeCluster) -> None:
    kafka = cluster.kafka()
    kafka["metadata"]["name"] = "events"
    cluster.api.add(kafka)
    for each in cluster.api.of("KafkaNodePool").values():
        each["metadata"]["labels"] = {"strimzi.io/cluster": "events"}
    assert cluster.run("setup.sh", "--archive", "--cluster-name", "events").status == 0
    assert connect(cluster)["tls"]["trustedCertificates"][0]["secretName"] == "events-cluster-ca-cert"
    assert "data-on-eks" not in str([connect(cluster), cluster.api.of("NetworkPolicy")])


def test_v1beta2_has_group_and_topics_in_the_configuration(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, "v1beta2", *KINDS)
    assert cluster.run("setup.sh", "--archive").status == 0
    assert cluster.api.of("KafkaConnect")["clickstream-connect"]["apiVersion"] == "kafka.strimzi.io/v1beta2"
    assert not connect(cluster).keys() & {"groupId", "configStorageTopic", "offsetStorageTopic", "statusStorageTopic"}
    config = connect(cluster)["config"]
    assert (config["group.id"], config["status.storage.topic"]) == ("clickstream-connect", "clickstream-connect-status")


# In a bucket


def test_a_bucket_needs_no_storage(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", *BUCKET)
    assert finished.status == 0, finished.error
    assert cluster.api.of("StatefulSet") == {}
    assert cluster.api.of("Secret") == {}
    assert environment(cluster) == {"WAREHOUSE": "s3://example-archive", "S3_REGION": "eu-central-1"}
    config = cluster.api.of("KafkaConnector")[ARCHIVE]["spec"]["config"]
    assert {key: value for key, value in config.items() if key.startswith("iceberg.catalog.")} == {
        "iceberg.catalog.type": "glue",
        "iceberg.catalog.warehouse": "${env:WAREHOUSE}",
        "iceberg.catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "iceberg.catalog.client.region": "${env:S3_REGION}",
    }
    values = cluster.values(ARCHIVE)
    assert values["catalog"] == {"type": "glue", "warehouse": "s3://example-archive"}
    assert values["s3"] == {"endpoint": "", "region": "eu-central-1", "secret": ""}
    assert "aws eks create-pod-identity-association" in finished.output
    assert "--service-account clickstream-connect-connect" in finished.output


def test_a_bucket_can_have_a_key(cluster: FakeCluster) -> None:
    data = {"AWS_ACCESS_KEY_ID": "eA==", "AWS_SECRET_ACCESS_KEY": "eA=="}
    cluster.api.add(manifest("Secret", "archive-key", data=data))
    finished = cluster.run("setup.sh", *BUCKET, "--archive-secret", "archive-key")
    assert finished.status == 0, finished.error
    assert environment(cluster)["AWS_SECRET_ACCESS_KEY"] == "archive-key"
    assert cluster.values(ARCHIVE)["s3"]["secret"] == "archive-key"
    assert "pod-identity" not in finished.output


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            None,
            "Secret archive-key in namespace kafka does not exist: kubectl create secret generic archive-key",
        ),
        ({"AWS_ACCESS_KEY_ID": "eA=="}, "Secret archive-key in namespace kafka has no AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_key_that_is_missing_is_named_before_anything_is_made(
    cluster: FakeCluster, data: dict[str, str] | None, message: str
) -> None:
    if data:
        cluster.api.add(manifest("Secret", "archive-key", data=data))
    finished = cluster.run("setup.sh", *BUCKET, "--archive-secret", "archive-key")
    assert (finished.status, cluster.happened) == (1, [])
    assert message in finished.error


def test_the_region_is_the_nodes_unless_it_is_given(cluster: FakeCluster) -> None:
    without = cluster.run("setup.sh", *BUCKET[:3])
    assert (without.status, cluster.happened) == (1, [])
    assert "the nodes' labels don't say in which region they are; give --archive-region" in without.error
    cluster.api.add(manifest("Node", "one", labels={"topology.kubernetes.io/region": "ap-northeast-2"}))
    assert cluster.run("setup.sh", *BUCKET[:3]).status == 0
    assert environment(cluster)["S3_REGION"] == "ap-northeast-2"


# What is in the way


def test_a_cluster_without_connect_is_told_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, "v1", *(each for each in KINDS if each != "KafkaConnector"))
    assert cluster.run("setup.sh", "--dry-run").status == 0, "without --archive it is not needed"
    finished = cluster.run("setup.sh", "--archive")
    assert (finished.status, cluster.happened) == (1, [])
    assert "this cluster's Strimzi serves kafka.strimzi.io/v1 without KafkaConnector" in finished.error


def test_an_archive_is_not_continued_in_another_place(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", *BUCKET).status == 0
    made = list(cluster.happened)
    for options, here in (([*BUCKET, "--archive-bucket", "other"], "s3://other"), (["--archive"], "storage in the cl")):
        finished = cluster.run("setup.sh", *options)
        assert (finished.status, cluster.happened) == (1, made)
        assert f"KafkaConnect clickstream-connect archives to s3://example-archive, and not to {here}" in finished.error


def test_an_archive_of_an_earlier_kafka_is_not_mixed_with_a_new_ones(cluster: FakeCluster) -> None:
    cluster.api.add(manifest("PersistentVolumeClaim", "data-clickstream-seaweedfs-0"))
    finished = cluster.run("setup.sh", "--archive")
    assert (finished.status, cluster.happened) == (1, [])
    assert "kubectl delete pvc data-clickstream-seaweedfs-0 -n kafka" in finished.error


def test_a_connector_whose_task_fails_ends_setup_with_the_cause(cluster: FakeCluster) -> None:
    status = {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "FAILED", "trace": TRACE}]}
    condition = {"type": "NotReady", "status": "True", "reason": "Throwable", "message": FAILED}
    cluster.api.status["KafkaConnector"] = {
        "conditions": [condition], "observedGeneration": 1, "connectorStatus": status,
    }  # fmt: skip
    finished = cluster.run("setup.sh", "--archive")
    assert finished.status == 1
    assert cluster.clock.now < 30
    assert "task 0 has ended: org.apache.kafka.connect.errors.ConnectException: Exiting" in finished.error
    assert "Caused by: org.apache.iceberg.exceptions.NotAuthorizedException: Not authorized" in finished.error
    assert "kubectl annotate kafkaconnector clickstream-archive -n kafka strimzi.io/restart=true" in finished.error
    assert "setup.sh: KafkaConnector clickstream-archive can't become Ready: see above" in finished.error
    assert cluster.installed() == []


def test_an_image_of_connect_that_is_missing_is_explained(cluster: FakeCluster) -> None:
    creating = {"type": "NotReady", "status": "True", "reason": "Creating", "message": "waiting for pods"}
    cluster.api.status["KafkaConnect"] = {"conditions": [creating], "observedGeneration": 1}
    broken = pod(
        "clickstream-connect-connect-0", reason="ErrImagePull", labels={"strimzi.io/cluster": "clickstream-connect"}
    )
    broken["spec"]["containers"][0]["image"] = "localhost/clickstream-connect:0.1.0"
    cluster.api.add(broken)
    finished = cluster.run("setup.sh", "--archive")
    assert finished.status == 1
    assert "can't get its image localhost/clickstream-connect:0.1.0 (ErrImagePull)" in finished.error
    assert "./setup.sh --build" in finished.error


def test_missing_rights_are_named(cluster: FakeCluster) -> None:
    cluster.api.denied.add("create kafkaconnectors.kafka.strimzi.io")
    finished = cluster.run("setup.sh", "--archive")
    assert (finished.status, cluster.happened) == (1, [])
    assert "create kafkaconnectors.kafka.strimzi.io" in finished.error


def test_a_dry_run_says_what_it_would_make(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--archive", "--dry-run")
    assert (finished.status, cluster.happened) == (0, []), finished.error
    assert "Would create the secret clickstream-archive-s3" in finished.output
    assert (
        "Would create or update the archive in s3://clickstream-archive, as in strimzi/archive/dev" in finished.output
    )
    assert {"KafkaConnect", "KafkaConnector", "StatefulSet"} <= {each["kind"] for each in cluster.api.dry}


def test_an_archive_that_is_there_stays_as_it_is_without_the_option(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", "--archive").status == 0
    before = list(cluster.happened)
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert "KafkaConnect clickstream-connect is there and stays as it is (with --archive" in finished.output
    assert not [each for each in cluster.happened[len(before) :] if "onnect" in each or "seaweed" in each]


# cleanup.sh


def installed(cluster: FakeCluster, *options: str) -> None:
    assert cluster.run("setup.sh", *(options or ("--archive",))).status == 0
    cluster.programs.releases |= dict.fromkeys((*RELEASES, ARCHIVE), "deployed")
    if not options:
        cluster.api.add(manifest("PersistentVolumeClaim", "data-clickstream-seaweedfs-0"))
    del cluster.api.objects["", "pods", "kafka", "clickstream-seaweedfs-0"]
    cluster.happened.clear()


def test_the_connector_goes_before_connect_and_this_before_its_user(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    order = [
        "uninstall clickstream-archive",
        "delete KafkaConnector/clickstream-archive",
        "delete KafkaConnect/clickstream-connect",
        "delete StatefulSet/clickstream-seaweedfs",
        "delete KafkaUser/clickstream-connect",
    ]
    assert [each for each in cluster.happened if each in order] == order
    assert "Kept: volume data-clickstream-seaweedfs-0, with what was archived" in finished.output
    assert "./cleanup.sh --delete-archive removes it" in finished.output
    assert set(ARCHIVE_TOPICS) <= cluster.api.of("KafkaTopic").keys()
    assert list(cluster.api.of("Secret")) == ["clickstream-archive-s3"], "the key of what stays"
    assert not any(cluster.api.of(kind) for kind in ("KafkaConnect", "StatefulSet", "NetworkPolicy", "ConfigMap"))


def test_an_archive_that_stays_keeps_its_control_topic(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    assert list(cluster.api.of("KafkaTopic")) == ["clickstream-archive-control"]


@pytest.mark.parametrize("option", ["--delete-archive", "--all"])
def test_what_was_archived_in_the_cluster_goes_when_asked(cluster: FakeCluster, option: str) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", option)
    assert finished.status == 0, finished.error
    assert "Removed volume data-clickstream-seaweedfs-0, with what was archived" in finished.output
    assert cluster.api.of("PersistentVolumeClaim") == {}
    assert cluster.api.of("Secret") == {}


def test_a_bucket_stays_and_is_named(cluster: FakeCluster) -> None:
    installed(cluster, *BUCKET)
    finished = cluster.run("cleanup.sh", "--delete-archive")
    assert finished.status == 0, finished.error
    assert "Kept: s3://example-archive, with what was archived" in finished.output


def test_a_dry_run_of_cleanup_removes_nothing(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", "--delete-archive", "--dry-run")
    assert (finished.status, cluster.happened) == (0, []), finished.error
    assert "Would remove the archive's Kafka Connect" in finished.output
    assert "Would remove volume data-clickstream-seaweedfs-0" in finished.output


def test_a_connector_that_does_not_go_is_named(cluster: FakeCluster) -> None:
    installed(cluster)
    cluster.api.lasting["KafkaConnector"] = math.inf
    finished = cluster.run("cleanup.sh", "--timeout", "30s")
    assert finished.status == 1
    assert (
        "kafkaconnector.kafka.strimzi.io/clickstream-archive in namespace kafka: not gone after 30s" in finished.error
    )
    assert cluster.matching("delete KafkaConnect/") == []
