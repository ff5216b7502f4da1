"""What Grafana needs of monitoring/grafana-dashboard.json, and whether it asks only for what exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Documented = dict[str, tuple[str, frozenset[str]]]
_ROWS = ["Business: the windows", "Pipeline", "Collector", "Kafka", "Archive", "Scenarios", "Pods"]
_METRIC = re.compile(r"\b(?:clickstream|kafka|kube|container|strimzi|process)_[a-z0-9_]+\b(?=[{\[)\s]|$)")
_PROCESS = {"process_resident_memory_bytes"}


@pytest.fixture(scope="session")
def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "monitoring" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return loaded


def _panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (each for each in dashboard["panels"] if each["type"] != "row")


def test_it_can_be_imported_by_hand_again_and_again(dashboard: dict[str, Any]) -> None:
    assert dashboard["uid"] == "clickstream"
    assert "id" not in dashboard, "the number of one Grafana's database"
    assert "__inputs" not in dashboard, "the data source is a variable, so that the sidecar can load it too"
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["time"]["to"] == "now"


def test_data_source_and_namespace_are_variables(dashboard: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}

    assert list(variables) == ["datasource", "namespace"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["namespace"]["allValue"] == ".*"
    for panel in _panels(dashboard):
        sources = [panel["datasource"], *(each["datasource"] for each in panel["targets"])]
        assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in sources), panel["title"]


def test_it_has_the_rows(dashboard: dict[str, Any]) -> None:
    assert [each["title"] for each in dashboard["panels"] if each["type"] == "row"] == _ROWS


def test_ids_are_unique(dashboard: dict[str, Any]) -> None:
    ids = [each["id"] for each in dashboard["panels"]]

    assert len(set(ids)) == len(ids)


def test_each_panel_says_what_it_shows_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in _panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [each["refId"] for each in panel["targets"]]
        assert references, panel["title"]
        assert len(set(references)) == len(references), panel["title"]


def test_panels_lie_beside_one_another_and_not_upon(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies upon {taken.get((x, y))}"
                taken[x, y] = panel["title"]


def test_each_query_is_of_the_chosen_namespace(dashboard: dict[str, Any]) -> None:
    for panel in _panels(dashboard):
        for target in panel["targets"]:
            selected = re.findall(r"(\w+)\{([^}]*)\}", target["expr"])
            assert selected, target["expr"]
            for metric, matchers in selected:
                assert 'namespace=~"$namespace"' in matchers, f"{panel['title']}: {metric}"


def test_only_metrics_are_asked_for_that_exist(
    dashboard: dict[str, Any], documented: Documented, samples: dict[str, str]
) -> None:
    served = {
        f"{name}{end}"
        for name, (kind, _) in documented.items()
        if kind == "histogram"
        for end in ("_bucket", "_sum", "_count")
    }
    others = {
        line.split("{")[0].split(" ")[0] for text in samples.values() for line in text.splitlines() if line[0] != "#"
    }
    known = documented.keys() | served | others | _PROCESS
    asked = {
        name for panel in _panels(dashboard) for target in panel["targets"] for name in _METRIC.findall(target["expr"])
    }

    assert asked - known == set()
    assert {"kafka_consumergroup_lag", "kafka_server_brokertopicmetrics_messagesin_total"} <= asked
    assert "kafka_server_replicamanager_underreplicatedpartitions" in asked


def test_every_metric_of_processor_collector_scenarios_and_windows_is_shown(
    dashboard: dict[str, Any], documented: Documented
) -> None:
    text = json.dumps(dashboard)
    apps = ("streams", "collector", "scenarios", "statistics", "consumer_window")
    prefixes = tuple(f"clickstream_{app}_" for app in apps)
    shown = [name for name in documented if name.startswith(prefixes)]

    assert [name for name in shown if name not in text] == []
