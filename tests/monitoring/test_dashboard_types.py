"""The dashboard holds what Grafana's schema, @grafana/schema, allows, as TypeScript's compiler sees it.

Each panel's options and custom fields have the types of its kind. It needs node and npm, and two packages.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.inventory import ROOT

_SOURCE = Path(__file__).with_name("dashboard")
_KINDS = {"stat": "Stat", "timeseries": "TimeSeries", "bargauge": "BarGauge", "table": "Table", "piechart": "PieChart"}
_WITH_FIELDS = {"timeseries", "table", "piechart"}
"""Kinds whose schema has custom fields."""


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no npm, which has Grafana's schema")
    directory = tmp_path_factory.mktemp("types") / "dashboard"
    shutil.copytree(_SOURCE, directory)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "monitoring/grafana-dashboard.json").read_text("utf-8"))
    return found


def flat(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Panels, rows without the panels in them, and these."""
    for panel in panels:
        yield {**panel, "panels": []} if panel["type"] == "row" else panel
        yield from flat(panel.get("panels", []))


def complaints(workspace: Path, dashboard: dict[str, Any]) -> list[str]:
    """What the compiler says of the dashboard: one line for each error, with the name of the constant."""
    lines = [
        'import type { Dashboard, Panel, RowPanel } from "@grafana/schema";',
        'import type { Plain } from "./plain";',
    ]
    for kind, name in _KINDS.items():
        path = f"@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"
        lines.append(f'import type * as {kind} from "{path}";')
    typed = {f"panel_{panel['id']}_{panel['type']}": panel for panel in flat(dashboard["panels"])}
    whole = {name: value for name, value in dashboard.items() if name != "panels"}
    lines.append(f'export const dashboard: Plain<Omit<Dashboard, "panels">> = {json.dumps(whole)};')
    for name, panel in typed.items():
        lines.append(f"export const {name}: Plain<{type_of(panel['type'])}> = {json.dumps(panel)};")
    (workspace / "dashboard.ts").write_text("\n".join(lines), encoding="utf-8")
    command: list[str | Path] = [workspace / "node_modules/.bin/tsc", "--project", workspace, "--pretty", "false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert (done.returncode == 0) == (not found), done.stderr
    return found


def type_of(kind: str) -> str:
    if kind == "row":
        return "RowPanel"
    assert kind in _KINDS, f"no panel of this kind was there before: {kind}"
    fields = f"<unknown, Partial<{kind}.FieldConfig>>" if kind in _WITH_FIELDS else ""
    return f'Omit<Panel{fields}, "options"> & {{ options: Partial<{kind}.Options> }}'


def test_the_dashboard_is_what_grafanas_types_allow(workspace: Path, dashboard: dict[str, Any]) -> None:
    assert complaints(workspace, dashboard) == []


def test_mistakes_are_found(workspace: Path, dashboard: dict[str, Any]) -> None:
    mistakes: list[tuple[str, tuple[str, ...], Any, str]] = [
        ("stat", ("options", "colorMode"), "rainbow", "rainbow"),
        ("stat", ("options", "colourMode"), "value", "colourMode"),
        ("timeseries", ("fieldConfig", "defaults", "custom", "drawStyle"), "curve", "curve"),
        ("timeseries", ("gridPos", "w"), "12", "Type 'string' is not assignable to type 'number'"),
        ("row", ("collapsed",), "no", "Type 'string' is not assignable to type 'boolean'"),
    ]
    panels = [
        changed(next(each for each in flat(dashboard["panels"]) if each["type"] == kind), number, path, value)
        for number, (kind, path, value, _) in enumerate(mistakes)
    ]
    # What was wrong with the variables once.
    variables = dashboard["templating"]["list"]
    variables[0]["current"] = {}
    variables[1]["definition"] = "label_values(up, namespace)"
    found = complaints(workspace, {**dashboard, "panels": panels})
    for words in (
        *(each[-1] for each in mistakes),
        "missing the following properties",
        '"definition"\' does not exist',
    ):
        assert [line for line in found if words in line] != [], words


def changed(panel: dict[str, Any], number: int, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy of the panel with another id and one value replaced."""
    copy: dict[str, Any] = json.loads(json.dumps(panel))
    copy["id"] = number
    part = copy
    for name in path[:-1]:
        part = part.setdefault(name, {})
    part[path[-1]] = value
    return copy


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = json.loads((_SOURCE / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages.keys() == {"node_modules/@grafana/schema", "node_modules/typescript"}
    assert all(each["integrity"].startswith("sha512-") and "resolved" not in each for each in packages.values())
