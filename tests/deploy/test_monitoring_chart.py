"""The chart in monitoring/: the dashboard and the rules, as Grafana's sidecar and the Prometheus operator find them."""

import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from clickstream_core import __version__
from kit.helm import Charts
from kit.integrations import DefinitionMissing, problems
from kit.rendered import Object, only
from kit.skipping import skip

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
VARIANTS = sorted(file.name for file in MONITORING.glob("ci/*-values.yaml"))
CHART = "clickstream-monitoring"


def variant_objects(charts: Charts, variant: str) -> list[Object]:
    return charts.objects(CHART, "--values", str(MONITORING / "ci" / variant))


def test_grafanas_sidecar_finds_the_dashboard(charts: Charts) -> None:
    config_map = only(charts.objects(CHART), "ConfigMap")

    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "annotations" not in config_map["metadata"]
    ((name, text),) = config_map["data"].items()
    assert name == "clickstream.json"
    assert json.loads(text) == json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))


def test_the_operator_finds_the_rules_with_the_labels_of_the_file(charts: Charts) -> None:
    rule = only(charts.objects(CHART), "PrometheusRule")
    file = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))

    assert rule["spec"] == file["spec"]
    assert file["metadata"]["labels"].items() <= rule["metadata"]["labels"].items()


def test_labels_and_the_folder_can_be_chosen(charts: Charts) -> None:
    objects = variant_objects(charts, "01-folder-and-labels-values.yaml")

    dashboard = only(objects, "ConfigMap")["metadata"]
    assert dashboard["annotations"] == {"grafana_folder": "Clickstream"}
    assert (dashboard["labels"]["grafana_dashboard"], dashboard["labels"]["team"]) == ("1", "analytics")
    assert only(objects, "PrometheusRule")["metadata"]["labels"]["release"] == "monitoring"


@pytest.mark.parametrize(
    ("option", "kinds"),
    [("rules.enabled=false", {"ConfigMap"}), ("dashboard.enabled=false", {"PrometheusRule"})],
)
def test_each_can_be_left_out(charts: Charts, option: str, kinds: set[str]) -> None:
    assert {each["kind"] for each in charts.objects(CHART, "--set", option)} == kinds


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_what_kubernetes_and_the_operator_take(charts: Charts, variant: str) -> None:
    linted = charts.run("lint", "--strict", str(charts.path(CHART)), "-f", str(MONITORING / "ci" / variant))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    for each in variant_objects(charts, variant):
        assert each["metadata"]["name"] == CHART
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "clickstream"
        if each["kind"] == "ConfigMap":
            kubernetes_validate.validate(each, "1.34", strict=True)
            continue
        try:
            assert problems(each) == []
        except DefinitionMissing as missing:
            skip(str(missing))


def test_the_schema_names_exactly_the_values_there_are(charts: Charts) -> None:
    schema = json.loads((MONITORING / "values.schema.json").read_text())["properties"]
    values = yaml.safe_load((MONITORING / "values.yaml").read_text())
    assert schema.keys() - {"global", "clickstream-library", "enabled"} == values.keys()
    assert {name: schema[name]["properties"].keys() for name in ("dashboard", "rules")} == {
        name: values[name].keys() for name in ("dashboard", "rules")
    }
    refused = charts.template(CHART, "--set", "prometheusRule.enabled=true")
    assert "additional properties 'prometheusRule' not allowed" in refused.stderr


def test_it_has_the_version_of_the_apps_and_packs_only_what_it_installs(charts: Charts, tmp_path: Path) -> None:
    described = yaml.safe_load((MONITORING / "Chart.yaml").read_text())
    assert described["appVersion"] == __version__
    charts.run("package", str(charts.path(CHART)), "--destination", str(tmp_path)).check_returncode()
    shown = charts.run("show", "all", str(next(tmp_path.glob("*.tgz"))))
    assert shown.returncode == 0, shown.stderr
    assert "alertmanager" not in charts.run("template", CHART, str(next(tmp_path.glob("*.tgz")))).stdout
