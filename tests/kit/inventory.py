"""The repository's apps, charts, releases and topics, read from its folders.

No test keeps a list of its own: an app that is added to apps/ and charts/ is found here.
"""

import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Release:
    """A Helm release of setup.sh; `option` is the part that installs it (collector for --collector), or empty."""

    name: str
    chart: str
    option: str


def projects(root: Path = ROOT) -> list[Path]:
    """The files pyproject.toml of the packages in apps/; a crate, which has a Cargo.toml, is none."""
    found = sorted(root.glob("apps/*/pyproject.toml"))
    return [path for path in found if not path.with_name("Cargo.toml").exists()]


def apps(root: Path = ROOT) -> tuple[str, ...]:
    """The apps by name, in alphabetical order: packages in apps/ that have a command."""
    return tuple(path.parent.name for path in projects(root) if "scripts" in _project(path))


def settings_of(app: str) -> type[Any]:
    """The class of an app's settings."""
    settings: type[Any] = getattr(import_module(f"clickstream_{app}.settings"), f"{app.capitalize()}Settings")
    return settings


def libraries(root: Path = ROOT) -> tuple[str, ...]:
    """The packages in apps/ that have no command, in alphabetical order."""
    return tuple(path.parent.name for path in projects(root) if "scripts" not in _project(path))


def releases(root: Path = ROOT) -> tuple[Release, ...]:
    """The releases in the order in which setup.sh installs them, as the annotations in each Chart.yaml say."""
    found = []
    for path in sorted(root.glob("charts/*/Chart.yaml")):
        chart = yaml.safe_load(path.read_text(encoding="utf-8"))
        if chart["type"] == "application":
            notes = {name.removeprefix("clickstream/"): value for name, value in chart["annotations"].items()}
            release = Release(notes.get("release", chart["name"]), chart["name"], notes.get("option", ""))
            found.append((int(notes["order"]), release))
    return tuple(release for _, release in sorted(found, key=lambda each: each[0]))


def topics(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """The KafkaTopics of strimzi/base/topics by their names in Kubernetes."""
    paths = sorted(root.glob("strimzi/base/topics/*.yaml"))
    manifests = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == "KafkaTopic"}


def _project(path: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return project
