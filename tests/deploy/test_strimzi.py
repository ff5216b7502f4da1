"""Strimzi's manifests: valid under Strimzi's own v1 schemas, and what docs/records.md says they are."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from clickstream_deploy.component import renamed
from kit import integrations
from kit.kustomize import Kustomize, KustomizeMissing, build, find_kustomize
from kit.secured_kafka import Right, rights_of
from kit.skipping import skip
from kit.strimzi import API_VERSION, strimzi_schemas
from kit.structural_schema import load_documents, problems

ROOT = Path(__file__).parents[2]
STRIMZI = ROOT / "strimzi"
CLUSTER = "data-on-eks"
KUBERNETES = "1.34"
FILES = sorted(path for path in STRIMZI.rglob("*.yaml") if path.name != "kustomization.yaml")
KUSTOMIZATIONS = sorted(STRIMZI.rglob("kustomization.yaml"))
BUILDS = [path.parent for path in KUSTOMIZATIONS if "kind: Component\n" not in path.read_text(encoding="utf-8")]
BY_BROKERS: Mapping[str, object] = {"message.timestamp.type": "LogAppendTime"}
DAY_MS = 24 * 60 * 60 * 1000
NOT_OLD: Mapping[str, object] = {"message.timestamp.before.max.ms": 50 * 365 * DAY_MS}

Resource = dict[str, Any]
Schemas = Mapping[str, Mapping[str, Any]]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return strimzi_schemas(ROOT / ".local" / "strimzi")


@pytest.fixture(scope="module")
def kustomize() -> Kustomize:
    try:
        return find_kustomize(ROOT / ".local" / "bin")
    except KustomizeMissing as missing:
        skip(str(missing))


def resources(kustomize: Kustomize, directory: str) -> dict[tuple[str, str], Resource]:
    """The resources of a kustomization below strimzi/, by kind and name."""
    documents = load_documents(build(kustomize, STRIMZI / directory))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def load_file(path: Path) -> Resource:
    (document,) = load_documents(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


# -- every manifest ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_holds_one_resource_for_any_namespace_and_is_named_after_it(path: Path) -> None:
    resource = load_file(path)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.yaml", path.name)
    assert "namespace" not in resource["metadata"]
    name, kind = resource["metadata"]["name"], resource["kind"]
    named = {
        "Kafka": "kafka",
        "KafkaConnect": "kafka-connect",
        "KafkaConnector": "kafka-connector",
        "NetworkPolicy": f"{name.removeprefix('clickstream-').removesuffix('-egress')}-network-policy",
        "Service": f"{name.removeprefix('clickstream-')}-service",
        "StatefulSet": f"{name.removeprefix('clickstream-')}-stateful-set",
        "KafkaNodePool": f"node-pool-{name}",
        "ConfigMap": name.removeprefix(f"{CLUSTER}-").removeprefix("clickstream-"),
        "KafkaRebalance": name,
        "KafkaTopic": name,
        "KafkaUser": name,
        "Pod": f"{name}-pod",
        "PodMonitor": f"{name.removeprefix(f'{CLUSTER}-').removeprefix('clickstream-')}-pod-monitor",
    }
    assert path.stem in (named[kind], f"{name}-user")


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_is_valid_under_strimzis_own_schema(path: Path, schemas: Schemas) -> None:
    resource = load_file(path)

    assert_valid(resource, schemas)


@pytest.mark.parametrize("directory", BUILDS, ids=relative)
def test_a_kustomization_builds_what_is_valid(directory: Path, schemas: Schemas, kustomize: Kustomize) -> None:
    documents = load_documents(build(kustomize, directory))

    assert documents
    for resource in documents:
        assert_valid(resource, schemas)


def assert_valid(resource: Resource, schemas: Schemas) -> None:
    if resource["kind"] in schemas:
        assert resource["apiVersion"] == API_VERSION
        assert problems(resource, schemas[resource["kind"]]) == []
    elif integrations.is_integration(resource):
        assert integration_problems(resource) == []
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def integration_problems(resource: Resource) -> list[str]:
    try:
        return integrations.problems(resource)
    except integrations.DefinitionMissing as missing:
        skip(str(missing))


@pytest.mark.parametrize("directory", BUILDS, ids=relative)
def test_another_cluster_name_takes_the_place_of_ours_everywhere(directory: Path, kustomize: Kustomize) -> None:
    text = build(kustomize, directory)
    renamed = load_documents(text.replace(CLUSTER, "other"))

    for resource in renamed:
        name, kind = resource["metadata"]["name"], resource["kind"]
        if kind == "Kafka":
            assert name == "other"
        elif kind == "KafkaConnector":
            assert resource["metadata"]["labels"]["strimzi.io/cluster"] == "clickstream-connect", "Connect's name"
        elif kind in ("KafkaConnect", "ConfigMap", "NetworkPolicy", "Service", "StatefulSet") and "clickstream" in name:
            assert resource["metadata"]["labels"]["app.kubernetes.io/part-of"] == "clickstream"
        elif kind != "Pod" and name != "cluster-operator":
            assert resource["metadata"]["labels"]["strimzi.io/cluster"] == "other"
    assert "data-on" not in text.replace(CLUSTER, "other")


# -- the check itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        ("Kafka", {"spec": {"kafka": {"replicas": 3}}}, "spec.kafka: Additional properties .*'replicas'"),
        ("Kafka", {"spec": {"kafka": {"listeners": None}}}, "spec.kafka.listeners: None is not of type 'array'"),
        ("Kafka", {"spec": {"zookeeper": {}}}, "spec: Additional properties .*'zookeeper'"),
        ("Kafka", {"metadata": {"label": {}}}, "metadata: Additional properties .*'label'"),
        ("KafkaTopic", {"spec": {"partitions": "6"}}, "spec.partitions: '6' is not of type 'integer'"),
        ("KafkaTopic", {"spec": {"partitions": True}}, "spec.partitions: True is not of type 'integer'"),
        ("KafkaTopic", {"spec": {"replicas": 0}}, "spec.replicas: 0 is less than"),
        ("KafkaTopic", {"metadata": {"labels": {"version": 1}}}, "metadata.labels.version: 1 is not of type 'string'"),
        ("KafkaTopic", {"metadata": {"name": "web_logs"}}, "metadata.name: 'web_logs' does not match"),
        ("KafkaUser", {"spec": {"authentication": {"type": "scram"}}}, "spec.authentication.type: 'scram' is not one"),
        (
            "KafkaUser",
            {"spec": {"authorization": {"acls": [{"resource": {"type": "topic"}, "operations": ["Reed"]}]}}},
            r"spec.authorization.acls\[0\].operations\[0\]: 'Reed' is not one of",
        ),
        (
            "KafkaUser",
            {"spec": {"authorization": {"acls": [{"resource": {"type": "topic"}, "operation": "Read"}]}}},
            r"spec.authorization.acls\[0\]: 'operations' is a required property",
        ),
        (
            "KafkaNodePool",
            {"spec": {"resources": {"limits": {"memory": "1 GB"}}}},
            "spec.resources.limits.memory: '1 GB' does not match",
        ),
    ],
)
def test_what_an_api_server_would_refuse_is_refused(
    kind: str, change: Resource, problem: str, schemas: Schemas
) -> None:
    valid = next(resource for resource in map(load_file, FILES) if resource["kind"] == kind)

    found = problems(merged(valid, change), schemas[kind])

    assert problems(valid, schemas[kind]) == []
    assert any(re.match(problem, each) for each in found), found


def merged(resource: Resource, change: Mapping[str, Any]) -> Resource:
    result = dict(resource)
    for name, value in change.items():
        present = result.get(name)
        result[name] = merged(present, value) if isinstance(present, dict) and isinstance(value, dict) else value
    return result


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1: replicas is there twice"):
        load_documents("replicas: 1\nreplicas: 2\n")


# -- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlay", "replicas", "in_sync"), [("eks", 3, 2), ("dev", 1, 1)])
def test_topics_are_the_documented_ones(overlay: str, replicas: int, in_sync: int, kustomize: Kustomize) -> None:
    built = resources(kustomize, f"overlays/{overlay}/topics")

    expected: dict[str, tuple[int, dict[str, object]]] = {
        "clickstream-events": (6, {"retention.ms": DAY_MS, "message.timestamp.after.max.ms": 60_000, **NOT_OLD}),
        "clickstream-metrics": (3, {"retention.ms": 7 * DAY_MS, **BY_BROKERS}),
        "clickstream-window-partials": (1, {"retention.ms": DAY_MS, "max.message.bytes": 8 << 20, **BY_BROKERS}),
        "clickstream-dead-letters": (3, {"retention.ms": 7 * DAY_MS, "max.message.bytes": 8 << 20, **NOT_OLD}),
        "web_logs": (3, {"retention.ms": DAY_MS, **NOT_OLD}),
    }
    specs = {name: topic["spec"] for (_, name), topic in built.items()}
    assert {spec.pop("topicName", name): spec for name, spec in specs.items()} == {
        name: {
            "partitions": partitions,
            "replicas": replicas,
            "config": {
                "cleanup.policy": "delete",
                "compression.type": "producer",
                "min.insync.replicas": in_sync,
                **config,
            },
        }
        for name, (partitions, config) in expected.items()
    }


# -- users ------------------------------------------------------------------------------------------------------------


def test_each_app_has_a_user_with_a_password_and_only_these_rights(kustomize: Kustomize) -> None:
    users = {name: user for (_, name), user in resources(kustomize, "base/users").items()}

    assert {name: set(rights_of(user)) for name, user in users.items()} == {
        "clickstream-producer": {
            Right("topic", "clickstream-events", "Write"),
            Right("topic", "web_logs", "Write"),
            Right("topic", "clickstream-access-logs", "Write"),
        },
        "clickstream-streams-processor": {
            Right("topic", "clickstream-events", "Read"),
            Right("topic", "clickstream-events", "DescribeConfigs"),
            Right("topic", "clickstream-window-partials", "Read"),
            Right("topic", "clickstream-window-partials", "Write"),
            Right("topic", "clickstream-window-partials", "DescribeConfigs"),
            Right("topic", "clickstream-metrics", "Read"),
            Right("topic", "clickstream-metrics", "Write"),
            Right("topic", "clickstream-metrics", "DescribeConfigs"),
            Right("topic", "clickstream-dead-letters", "Write"),
            Right("group", "clickstream-processor", "Read"),
            Right("group", "clickstream-processor-merge", "Read"),
            Right("transactionalId", "clickstream-processor-events-", "Write", prefix=True),
            Right("transactionalId", "clickstream-processor-merge", "Write"),
        },
        "clickstream-consumer": {
            Right("topic", "clickstream-metrics", "Read"),
            Right("group", "metrics-consumer-group", "Read"),
        },
    }
    for user in users.values():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
        assert "host" not in str(user["spec"]["authorization"])


def test_the_collector_may_write_events_and_dead_letters(kustomize: Kustomize) -> None:
    ((key, user),) = resources(kustomize, "collector").items()

    assert key == ("KafkaUser", "clickstream-collector")
    assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
    assert set(rights_of(user)) == {
        Right("topic", "clickstream-events", "Write"),
        Right("topic", "clickstream-dead-letters", "Write"),
    }


def test_the_scenarios_have_topics_and_a_user_with_only_these_rights(kustomize: Kustomize) -> None:
    topics = {name: topic["spec"] for (_, name), topic in resources(kustomize, "scenarios/topics").items()}
    kept = {name: (spec["partitions"], spec["config"]["retention.ms"] // DAY_MS) for name, spec in topics.items()}
    assert kept == {"clickstream-access-logs": (6, 1), "clickstream-scenario-results": (6, 7)}
    for (_, name), topic in resources(kustomize, "scenarios/dev/topics").items():
        assert topic["spec"]["replicas"] == 1
        assert topic["spec"]["config"] == {**topics[name]["config"], "min.insync.replicas": 1}
    users = {name: user for (_, name), user in resources(kustomize, "scenarios/users").items()}
    for user in users.values():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
    reading = {Right("topic", name, "Read") for name in ("clickstream-access-logs", "clickstream-events")}
    assert set(rights_of(users["clickstream-scenarios-admin"])) == reading
    assert set(rights_of(users["clickstream-statistics"])) == {
        Right("topic", "clickstream-scenario-results", "Read"),
    }
    assert set(rights_of(users["clickstream-scenarios"])) == {
        Right("topic", "clickstream-access-logs", "Read"),
        Right("topic", "clickstream-events", "Read"),
        Right("topic", "clickstream-scenario-results", "Write"),
        Right("topic", "clickstream-dead-letters", "Write"),
        Right("group", "clickstream-scenarios", "Read"),
        Right("group", "clickstream-scenarios-events", "Read"),
        Right("transactionalId", "clickstream-scenarios-", "Write", prefix=True),
    }


def test_the_stores_for_trying_out_are_official_images_that_only_the_scenarios_reach(kustomize: Kustomize) -> None:
    built = resources(kustomize, "scenarios/dev/stores")
    images = {"clickstream-mariadb": "docker.io/library/mariadb", "clickstream-valkey": "docker.io/valkey/valkey"}
    assert {name for kind, name in built if kind == "StatefulSet"} == images.keys()
    for name, image in images.items():
        pod = built["StatefulSet", name]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        assert re.fullmatch(rf"{image}:\d+\.\d+\.\d+", container["image"]), "a version, not whatever is newest"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        policy, service = built["NetworkPolicy", name]["spec"], built["Service", name]["spec"]
        assert "egress" not in policy
        assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ((peer,), (port,)) = policy["ingress"][0]["from"], policy["ingress"][0]["ports"]
        (expression,) = peer["podSelector"]["matchExpressions"]
        assert expression["values"] == ["clickstream-scenarios", "clickstream-statistics"]
        assert [each["port"] for each in service["ports"]] == [port["port"]]


def test_shippers_may_write_access_logs_or_read_web_logs(kustomize: Kustomize) -> None:
    users = {name: user for (_, name), user in resources(kustomize, "shippers").items()}

    groups = ("clickstream-fluent-bit", "clickstream-logstash", "clickstream-rsyslog")
    assert {name: set(rights_of(user)) for name, user in users.items()} == {
        "clickstream-shipper": {Right("topic", "clickstream-access-logs", "Write")},
        "clickstream-web-logs": {
            Right("topic", "web_logs", "Read"),
            *(Right("group", group, "Read") for group in groups),
        },
    }
    for user in users.values():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}


def test_the_command_line_may_write_nothing() -> None:
    rights = rights_of(load_file(STRIMZI / "cli" / "kafka-cli-user.yaml"))

    assert {right.operation for right in rights} == {"Read", "DescribeConfigs"}


# -- clusters ---------------------------------------------------------------------------------------------------------


def test_both_clusters_ask_for_a_password_over_tls_and_for_rights(kustomize: Kustomize) -> None:
    for overlay in ("dev", "eks"):
        spec = resources(kustomize, f"overlays/{overlay}/kafka")["Kafka", CLUSTER]["spec"]["kafka"]
        (listener,) = spec["listeners"]
        assert listener == {
            "name": "tls",
            "port": 9093,
            "type": "internal",
            "tls": True,
            "authentication": {"type": "scram-sha-512"},
        }
        assert spec["authorization"] == {"type": "simple"}
        assert (spec["version"], spec["metadataVersion"]) == ("4.3.1", "4.3-IV0")


@pytest.mark.parametrize(("overlay", "copies", "in_sync"), [("eks", 3, 2), ("dev", 1, 1)])
def test_a_cluster_keeps_its_commits_and_transactions_as_safe_as_its_topics(
    overlay: str, copies: int, in_sync: int, kustomize: Kustomize
) -> None:
    config = resources(kustomize, f"overlays/{overlay}/kafka")["Kafka", CLUSTER]["spec"]["kafka"]["config"]

    assert config == {
        "auto.create.topics.enable": False,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "request.timeout.ms": 10_000,
    }


def test_dev_is_one_small_node_whose_data_goes_with_it(kustomize: Kustomize) -> None:
    built = resources(kustomize, "overlays/dev/kafka")

    assert built.keys() == {("Kafka", CLUSTER), ("KafkaNodePool", "dual-role")}
    pool = built["KafkaNodePool", "dual-role"]["spec"]
    assert (pool["replicas"], pool["roles"]) == (1, ["controller", "broker"])
    (volume,) = pool["storage"]["volumes"]
    assert volume["deleteClaim"] is True
    assert "class" not in volume


def test_eks_survives_a_zone(kustomize: Kustomize) -> None:
    built = resources(kustomize, "overlays/eks/kafka")

    for role in ("broker", "controller"):
        pool = built["KafkaNodePool", role]["spec"]
        assert (pool["replicas"], pool["roles"]) == (3, [role])
        (volume,) = pool["storage"]["volumes"]
        assert (volume["type"], volume["class"], volume["deleteClaim"]) == ("persistent-claim", "gp3", False)
        zones = pool["template"]["pod"]["topologySpreadConstraints"][0]
        assert (zones["topologyKey"], zones["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
        assert zones["whenUnsatisfiable"] == "DoNotSchedule"
        assert zones["labelSelector"]["matchLabels"] == {"strimzi.io/cluster": CLUSTER, "strimzi.io/pool-name": role}
        assert pool["resources"]["requests"]["memory"] == pool["resources"]["limits"]["memory"]
        assert pool["jvmOptions"]["-Xms"] == pool["jvmOptions"]["-Xmx"]
        # The nodes of infra/modules/eks for Kafka alone (tests/infra/test_eks.py), where there are some.
        (taint,) = pool["template"]["pod"]["tolerations"]
        assert taint == {"key": "dedicated", "operator": "Equal", "value": "kafka", "effect": "NoSchedule"}
        nodes = pool["template"]["pod"]["affinity"]["nodeAffinity"]
        (preferred,) = nodes.pop("preferredDuringSchedulingIgnoredDuringExecution")
        assert preferred["preference"]["matchExpressions"] == [
            {"key": "dedicated", "operator": "In", "values": ["kafka"]}
        ]
        assert nodes == {}, "a cluster without such nodes can run Kafka too"
    spec = built["Kafka", CLUSTER]["spec"]
    assert spec["kafka"]["rack"] == {"topologyKey": "topology.kubernetes.io/zone"}
    assert spec["kafka"]["template"]["podDisruptionBudget"] == {"maxUnavailable": 1}
    assert [each["mode"] for each in spec["cruiseControl"]["autoRebalance"]] == ["add-brokers", "remove-brokers"]
    assert (spec["kafkaExporter"]["topicRegex"], spec["kafkaExporter"]["groupRegex"]) == (".*", ".*")


def test_the_metrics_of_eks_are_where_its_kafka_looks(kustomize: Kustomize) -> None:
    built = resources(kustomize, "overlays/eks/kafka")

    metrics = built["Kafka", CLUSTER]["spec"]["kafka"]["metricsConfig"]
    reference = metrics["valueFrom"]["configMapKeyRef"]
    assert metrics["type"] == "jmxPrometheusExporter"
    assert reference["key"] in built["ConfigMap", reference["name"]]["data"]


def test_prometheus_scrapes_kafkas_pods_and_strimzis_operators(kustomize: Kustomize) -> None:
    built = resources(kustomize, "monitoring")

    kafka, operator = (built["PodMonitor", name]["spec"] for name in (f"{CLUSTER}-kafka", "cluster-operator"))
    assert kafka["selector"]["matchLabels"] == {"strimzi.io/cluster": CLUSTER, "strimzi.io/kind": "Kafka"}
    assert [each["port"] for each in kafka["podMetricsEndpoints"]] == ["tcp-prometheus"]
    assert operator["selector"]["matchLabels"] == {"strimzi.io/kind": "cluster-operator"}
    assert operator["namespaceSelector"] == {"any": True}, "it is seldom in Kafka's namespace"
    assert [each["port"] for each in operator["podMetricsEndpoints"]] == ["http"]
    entities = built["PodMonitor", f"{CLUSTER}-entity-operator"]["spec"]
    assert entities["selector"]["matchLabels"] == {
        "strimzi.io/cluster": CLUSTER,
        "strimzi.io/name": f"{CLUSTER}-entity-operator",
    }
    before_1_1 = "healthcheck"  # of both containers
    assert [each["port"] for each in entities["podMetricsEndpoints"]] == [
        *("healthcheck-to", "healthcheck-uo", before_1_1)
    ]


def test_a_rebalance_waits_to_be_asked_for_and_to_be_approved(kustomize: Kustomize) -> None:
    ((key, rebalance),) = resources(kustomize, "rebalance").items()

    assert key == ("KafkaRebalance", "rebalance")
    assert rebalance["spec"] == {"mode": "full"}, "the goals are those of the cluster's Cruise Control"
    assert "annotations" not in rebalance["metadata"]
    for overlay in ("dev", "eks"):
        assert "KafkaRebalance" not in {kind for kind, _ in resources(kustomize, f"overlays/{overlay}")}


def test_the_overlays_are_kafka_topics_and_users_together(kustomize: Kustomize) -> None:
    for overlay in ("dev", "eks"):
        parts = [
            resources(kustomize, directory)
            for directory in (f"overlays/{overlay}/kafka", f"overlays/{overlay}/topics", "base/users")
        ]
        assert resources(kustomize, f"overlays/{overlay}") == {key: part[key] for part in parts for key in part}


@pytest.mark.parametrize("name", ["on", "123", "1e3", "null", "own"])
def test_a_cluster_of_any_name_stays_text(kustomize: Kustomize, name: str) -> None:
    made = build(kustomize, STRIMZI / "overlays/dev") + "\n---\n" + build(kustomize, STRIMZI / "base/users")
    documents = list(renamed(made, name))

    clusters = {each["metadata"].get("labels", {}).get("strimzi.io/cluster", name) for each in documents}
    assert clusters == {name}
    assert [each["metadata"]["name"] for each in documents if each["kind"] == "Kafka"] == [name]
    assert CLUSTER not in str(documents)


def test_the_command_lines_password_may_have_any_sign(tmp_path: Path) -> None:
    (pod,) = load_documents((STRIMZI / "cli/kafka-cli-pod.yaml").read_text(encoding="utf-8"))
    jaas = r'org.example.Module required username="kafka-cli" password="a\\b\"$HOME `c` #";'
    (tmp_path / "sasl.jaas.config").write_text(jaas)
    (script,) = pod["spec"]["containers"][0]["args"]
    script = script.replace("exec sleep infinity", "").replace("/etc/kafka-user", str(tmp_path))
    subprocess.run(["bash", "-c", script.replace("/tmp/client", f"{tmp_path}/client")], check=True)

    lines = (tmp_path / "client.properties").read_text().splitlines()
    assert lines[-1] == "sasl.jaas.config=" + jaas.replace("\\", "\\\\"), "as java.util.Properties reads it"
