"""What the tests of the monitoring share: documented metrics, samples of other exporters, the dashboard's queries."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|([^|]+)\|([^|]+)\|$", re.MULTILINE)


@pytest.fixture(scope="session")
def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of each metric in the tables of docs/metrics.md."""
    rows = _ROW.findall((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    found = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _, _ in rows}
    assert len(found) == len(rows), "a metric is in the tables twice"
    return found


@pytest.fixture(scope="session")
def samples() -> dict[str, str]:
    """The text of each exporter's sample, by the exporter's name."""
    return {each.stem: each.read_text(encoding="utf-8") for each in (Path(__file__).parent / "samples").glob("*.txt")}


@pytest.fixture(scope="session")
def panel_queries() -> dict[str, str]:
    """The queries of all panels with the dashboard's variables in them, by the panel's title and the query's letter."""
    dashboard = json.loads((ROOT / "monitoring" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return {
        f"{panel['title']} ({target['refId']})": target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }
