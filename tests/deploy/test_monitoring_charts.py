"""The dashboard and the alerts, as the chart brings them: the files of monitoring/, which the chart holds as copies.

Helm reads only what lies in the chart's own folder, and says so at every command when that is a link to elsewhere.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.helm import Charts

ROOT = Path(__file__).parents[2]
_COPIES = ROOT / "charts/clickstream-streams/files"
_ALL = "grafanaDashboard.enabled=true,prometheusRule.enabled=true,prometheusRule.labels.release=stack"


@pytest.fixture(scope="module")
def objects(charts: Charts) -> dict[str, dict[str, Any]]:
    release = "clickstream-streams-processor"
    return {each["kind"]: each for each in charts.objects("clickstream-streams", "--set", _ALL, release=release)}


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yaml"])
def test_the_charts_copy_is_the_file(name: str) -> None:
    assert (_COPIES / name).read_text(encoding="utf-8") == (ROOT / "monitoring" / name).read_text(encoding="utf-8"), (
        f"cp monitoring/{name} {_COPIES.relative_to(ROOT)}/"
    )


def test_grafanas_sidecar_finds_the_dashboard(objects: dict[str, dict[str, Any]]) -> None:
    config_map = objects["ConfigMap"]

    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    ((name, text),) = config_map["data"].items()
    assert name == "clickstream.json"
    assert json.loads(text) == json.loads((ROOT / "monitoring/grafana-dashboard.json").read_text(encoding="utf-8"))


def test_the_operator_finds_the_alerts(objects: dict[str, dict[str, Any]]) -> None:
    rule = objects["PrometheusRule"]

    assert rule["metadata"]["labels"]["release"] == "stack"
    assert rule["spec"] == yaml.safe_load((ROOT / "monitoring/alerts.yaml").read_text(encoding="utf-8"))["spec"]
