"""The samples of other exporters are as recordings of others show them, and are asked for by labels that they have."""

import re

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from clickstream_local.prometheus import ALERTS

Documented = dict[str, tuple[str, frozenset[str]]]

# As in the recordings that samples/README.md names, the whole set of labels.
_POD = {"namespace", "pod", "uid"}
_PLACE = {"host_ip", "pod_ip", "node", "host_network", "priority_class"}
_PUBLISHED = {
    "kube_deployment_spec_replicas": ("gauge", {"namespace", "deployment"}),
    "kube_deployment_status_replicas_ready": ("gauge", {"namespace", "deployment"}),
    "kube_pod_container_resource_limits": ("gauge", {*_POD, "container", "node", "resource", "unit"}),
    "kube_pod_container_status_restarts_total": ("counter", {*_POD, "container"}),
    "kube_pod_info": ("gauge", {*_POD, *_PLACE, "created_by_kind", "created_by_name"}),
    "kube_pod_status_ready": ("gauge", {*_POD, "condition"}),
    "kafka_consumergroup_lag": ("gauge", {"consumergroup", "partition", "topic"}),
    "kafka_topic_partition_current_offset": ("gauge", {"partition", "topic"}),
    "strimzi_certificate_expiration_timestamp_ms": (
        "gauge",
        {"cluster", "kind", "namespace", "resource_namespace", "type"},
    ),
}
# What the operator's Prometheus adds to whatever it asks pods for.
_OF_THE_TARGET = {"namespace", "pod", "container", "instance", "job", "endpoint"}


@pytest.fixture(scope="module")
def families(samples: dict[str, str]) -> dict[str, list[Metric]]:
    return {name: [*text_string_to_metric_families(text)] for name, text in samples.items()}


@pytest.fixture(scope="module")
def told(families: dict[str, list[Metric]]) -> dict[str, list[Sample]]:
    """What the samples tell, by the metric's name."""
    found: dict[str, list[Sample]] = {}
    for each in (sample for some in families.values() for family in some for sample in family.samples):
        found.setdefault(each.name, []).append(each)
    return found


def test_each_metric_of_a_sample_has_a_type_and_a_series(families: dict[str, list[Metric]]) -> None:
    for name, some in families.items():
        for family in some:
            assert family.type in ("counter", "gauge"), f"{name}: {family.name}"
            assert family.samples, f"{name}: {family.name}"


def test_no_series_is_in_a_sample_twice(told: dict[str, list[Sample]]) -> None:
    for name, some in told.items():
        series = [tuple(sorted(each.labels.items())) for each in some]
        assert len(set(series)) == len(series), name


def test_samples_have_the_types_and_labels_that_others_have_published(families: dict[str, list[Metric]]) -> None:
    compared = [*families["kube-state-metrics"], *families["kafka-exporter"], *families["strimzi-operator"]]

    assert {
        (sample.name, family.type, frozenset(sample.labels)) for family in compared for sample in family.samples
    } == {(name, kind, frozenset(labels)) for name, (kind, labels) in _PUBLISHED.items()}


def test_a_pod_is_ready_not_ready_or_unknown(told: dict[str, list[Sample]]) -> None:
    states: dict[str, dict[str, float]] = {}
    for each in told["kube_pod_status_ready"]:
        states.setdefault(each.labels["uid"], {})[each.labels["condition"]] = each.value

    for uid, values in states.items():
        assert values.keys() == {"true", "false", "unknown"}, uid
        assert sorted(values.values()) == [0, 0, 1], uid


def test_a_group_that_has_not_committed_to_a_partition_lags_by_minus_one(told: dict[str, list[Sample]]) -> None:
    assert min(each.value for each in told["kafka_consumergroup_lag"]) == -1


def test_kafkas_pods_belong_to_strimzis_pod_sets(told: dict[str, list[Sample]]) -> None:
    owners = {each.labels["pod"]: each.labels["created_by_kind"] for each in told["kube_pod_info"]}

    assert {owner for pod, owner in owners.items() if pod.startswith("data-on-eks-")} == {"StrimziPodSet"}
    assert {owner for pod, owner in owners.items() if pod.startswith("clickstream-")} == {"ReplicaSet"}


def _rules() -> dict[str, str]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["spec"]["groups"]
    return {rule.get("alert") or rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_queries_choose_and_group_by_labels_that_exist(
    documented: Documented, told: dict[str, list[Sample]], panel_queries: dict[str, str]
) -> None:
    labels = {name: set(some) | _OF_THE_TARGET for name, (_, some) in documented.items()}
    labels |= {f"{name}_{end}": {*some, "le"} for name, some in labels.items() for end in ("bucket", "sum", "count")}
    labels |= {name: _OF_THE_TARGET.union(*(each.labels for each in some)) for name, some in told.items()}
    for where, expression in (panel_queries | _rules()).items():
        for metric, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
            chosen = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))
            assert chosen <= labels.get(metric, _OF_THE_TARGET), f"{where}: {metric}"
        named = set(re.findall(r"\w+", re.sub(r'"[^"]*"', "", expression)))
        there = set[str]().union(*(labels.get(name, set()) for name in named)) | _OF_THE_TARGET
        grouped = {
            label
            for some in re.findall(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)", expression)
            for label in re.findall(r"\w+", some)
        }
        assert grouped <= there, f"{where}: {sorted(grouped - there)}"
