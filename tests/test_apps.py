"""One list of apps: the folders of apps/ and charts/. Everything that goes through all apps finds a new one there.

CONTRIBUTING.md ("Add an app") names the places that an app adds by hand; the last test holds that there are no others.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clickstream_core.settings import read_settings
from clickstream_local.parts import PARTS
from kit import inventory
from kit.inventory import ROOT

NOT_STARTED_BY_LOCAL = {"archive"}
"""Apps that are no part of ./setup.sh --local."""

NO_APPS = {"shop", "scenarios-admin", "generator"}
"""Parts of ./setup.sh --local that have no folder in apps/."""

WITHOUT_CHART: set[str] = set()
"""Apps that setup.sh can't install yet."""

BY_HAND = {
    "compose.yaml",
    "pyproject.toml",  # the layers of the import contracts
    "deploy/clickstream_deploy/setup.py",  # what to look at next
    "local/clickstream_local/parts.py",
    "local/compose/prometheus.yaml",
    "strimzi/base/users/kustomization.yaml",
}
"""Files beside tests, documents, alerts and what is an app's own that may list the apps."""
IN_PROSE = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what lists are made from, with an app `zebra` that is installed by --zebra."""
    files = ["Makefile", "deploy/*.sh", "deploy/clickstream_deploy/*.py"]
    for pattern in (
        *files,
        "apps/*/pyproject.toml",
        "local/pyproject.toml",
        "charts/*/Chart.yaml",
        "strimzi/base/topics/*",
    ):
        for source in ROOT.glob(pattern):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    app, chart = tmp_path / "apps/zebra", tmp_path / "charts/clickstream-zebra"
    (app / "clickstream_zebra").mkdir(parents=True)
    chart.mkdir()
    project = '[project]\nname = "clickstream-zebra"\ndependencies = ["clickstream-core"]\n'
    scripts = '[project.scripts]\nclickstream-zebra = "clickstream_zebra.main:main"\n'
    (app / "pyproject.toml").write_text(f"{project}\n{scripts}")
    (chart / "Chart.yaml").write_text(
        'name: clickstream-zebra\ntype: application\nannotations:\n  clickstream/order: "10"\n'
        "  clickstream/option: zebra\n  clickstream/release: clickstream-zebra-herd\n"
    )
    return tmp_path


def shell(folder: Path, script: str) -> list[str]:
    """The words that a script prints."""
    ran = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.split()


def listed(folder: Path, expression: str) -> list[str]:
    """The words of an expression of clickstream_deploy's apps and options."""
    program = f"from clickstream_deploy.apps import *; from clickstream_deploy.options import *; print(*{expression})"
    command = [sys.executable, "-c", program]
    environ = os.environ | {"PYTHONPATH": str(folder / "deploy")}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()


def test_a_new_app_is_installed_built_and_locked(checkout: Path) -> None:
    makefile = "include Makefile\nshow:\n\t@echo $(PROJECTS) $(PACKAGES) $(COMPILE)\n"
    made = shell(checkout, f"make --no-print-directory -f - show <<'END'\n{makefile}END\n")
    assert {"apps/zebra", "clickstream_zebra", "clickstream-zebra"} <= set(made)
    assert shell(checkout, "deploy/images.sh --list") == [*inventory.apps(), "zebra"]


def test_a_new_chart_is_installed_last_when_its_option_is_given_and_removed_first(checkout: Path) -> None:
    assert listed(checkout, "RELEASES") == [*(each.name for each in inventory.releases()), "clickstream-zebra-herd"]
    assert listed(checkout, "[APPS[-1].chart]") == [str(checkout / "charts/clickstream-zebra")]
    assert listed(checkout, "parse('setup.sh', ['--zebra']).parts") == ["zebra"]
    assert listed(checkout, "parse('setup.sh', []).parts") == []


def test_the_scripts_have_the_releases_and_topics_that_the_kit_has(checkout: Path) -> None:
    assert inventory.apps(checkout) == (*inventory.apps(), "zebra")
    assert inventory.releases(checkout)[-1] == inventory.Release("clickstream-zebra-herd", "clickstream-zebra", "zebra")
    assert listed(ROOT, "RELEASES") == [each.name for each in inventory.releases()]
    assert listed(ROOT, "TOPICS") == list(inventory.topics())


def test_every_app_has_a_chart_and_a_command_that_is_called_like_it() -> None:
    charted = set(inventory.apps()) - WITHOUT_CHART
    assert {each.chart for each in inventory.releases()} == {f"clickstream-{app}" for app in charted}
    for app in inventory.apps():
        project = tomllib.loads((ROOT / "apps" / app / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert f"clickstream-{app}" in project["scripts"], "the image's entry point"


def test_every_app_is_started_by_local_or_left_out_on_purpose() -> None:
    assert {part.name for part in PARTS} - NO_APPS == set(inventory.apps()) - NOT_STARTED_BY_LOCAL


def test_the_import_contracts_know_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    packages = {f"clickstream_{name}" for name in (*inventory.apps(), *inventory.libraries())}
    assert packages <= set(settings["root_packages"])
    layers = " | ".join(settings["contracts"][0]["layers"]).split(" | ")
    assert packages <= set(layers)


@pytest.mark.parametrize(
    ("app", "topics"),
    [
        ("producer", {"EVENTS_TOPIC", "ACCESS_LOGS_TOPIC"}),
        ("streams", {"EVENTS_TOPIC", "METRICS_TOPIC", "PARTIALS_TOPIC", "DEAD_LETTER_TOPIC"}),
        ("consumer", {"METRICS_TOPIC"}),
        ("collector", {"EVENTS_TOPIC", "DEAD_LETTER_TOPIC"}),
        ("archive", {"EVENTS_TOPIC", "METRICS_TOPIC", "DEAD_LETTER_TOPIC"}),
        (
            "scenarios",
            {"ACCESS_LOGS_TOPIC", "EVENTS_TOPIC", "SCENARIO_RESULTS_TOPIC", "DEAD_LETTER_TOPIC"},
        ),
        ("statistics", {"SCENARIO_RESULTS_TOPIC"}),
    ],
)
def test_an_app_has_settings_for_the_topics_that_it_uses_and_ignores_others(
    app: str, topics: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_settings(inventory.settings_of(app), prog=app, description="", argv=["--help"])
    named = set(re.findall(r"\b[A-Z_]+_TOPIC\b", capsys.readouterr().out))
    assert named == topics
    others = {"EVENTS_TOPIC", "METRICS_TOPIC", "PARTIALS_TOPIC", "DEAD_LETTER_TOPIC"} - topics
    read_settings(inventory.settings_of(app), prog="", description="", argv=[], environ=dict.fromkeys(others, "a b"))


# -- images -----------------------------------------------------------------------------------------------------------


def requirements(*arguments: str, folder: Path = ROOT) -> list[str]:
    """What deploy/image/requirements.py prints, a line each."""
    command = [sys.executable, str(ROOT / "deploy/image/requirements.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_image_gets_what_an_app_needs_through_other_packages_too(tmp_path: Path) -> None:
    projects = {
        "app": '"clickstream-client[fast]", "clickstream-core", "alone>=1"',
        "client": '"clickstream-core", "protocol"',
        "core": '"records"',
        "unused": '"never"',
    }
    for name, dependencies in projects.items():
        (tmp_path / "apps" / name).mkdir(parents=True)
        text = f'[project]\nname = "clickstream-{name}"\ndependencies = [{dependencies}]\n'
        if name == "client":
            text += (
                '[project.optional-dependencies]\nfast = ["clickstream-client[plain]", "speed"]\nplain = ["codec"]\n'
            )
            text += 'other = ["never"]\n'
        (tmp_path / "apps" / name / "pyproject.toml").write_text(text)
    assert sorted(requirements("apps/app", folder=tmp_path)) == ["alone>=1", "codec", "protocol", "records", "speed"]
    assert sorted(requirements("--own", "apps/app", folder=tmp_path)) == ["apps/app", "apps/client", "apps/core"]


@pytest.mark.parametrize("app", inventory.apps())
def test_an_image_holds_the_app_core_and_only_what_is_locked(app: str) -> None:
    own = requirements("--own", f"apps/{app}")
    assert {f"apps/{app}", "apps/core"} <= set(own)
    assert not {f"apps/{each}" for each in inventory.apps() if each != app} & set(own), "no app needs another"
    of_its_own = ROOT / f"requirements-{app}.lock"
    lock = (of_its_own if of_its_own.exists() else ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall("^([a-z0-9-]+)==", lock, re.MULTILINE))
    wanted = {re.split(r"[^\w-]", each)[0] for each in requirements(f"apps/{app}")}
    assert wanted <= locked


# -- places -----------------------------------------------------------------------------------------------------------


def test_no_further_file_lists_the_apps() -> None:
    own = {"apps", "charts", "bench", "docs", "monitoring", "tests"}
    found = set()
    for folder, subfolders, files in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in own]
        for name in files:
            path = Path(folder, name)
            if path.suffix in {".py", ".sh", ".md", ".toml", ".yaml", ".yml", ""} and name not in IN_PROSE:
                found |= {str(path.relative_to(ROOT))} if lists_the_apps(path) else set()
    assert found == BY_HAND, "CONTRIBUTING.md has the places where an app is added by hand"


def lists_the_apps(path: Path) -> bool:
    """Whether a file has the names of all apps that are always installed, as packages, folders or words in quotes."""
    text, always = path.read_text(encoding="utf-8"), [each for each in inventory.releases() if not each.option]
    apps = [each.chart.removeprefix("clickstream-") for each in always]
    return all(re.search(rf'clickstream[-_]{app}\b|apps/{app}\b|"{app}"', text) for app in apps)
