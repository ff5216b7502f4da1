"""compose.yaml as PyYAML reads it: its services with their variables filled in, and what they name."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from kit.inventory import ROOT

COMPOSE = ROOT / "compose.yaml"
EXAMPLE = ROOT / ".env.example"
PROFILES = ("archive", "scenarios", "shippers", "monitoring", "ui")
"""Beside the pipeline, whose services have none: they run always."""
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")

Service = dict[str, Any]


@cache
def defaults() -> Mapping[str, str]:
    """The variables of compose.yaml with their defaults."""
    text = "\n".join(line for line in COMPOSE.read_text("utf-8").splitlines() if not line.lstrip().startswith("#"))
    assert re.findall(r"\$(?!\{\w+:-)", text) == [], "a variable without a default"
    found = _VARIABLE.findall(text)
    assert len(set(found)) == len(dict(found)), "a variable with two defaults"
    return dict(found)


def example(commented: bool) -> dict[str, str]:
    """What .env.example sets, or what stands there as a comment."""
    pattern = r"^#([A-Z_]+)=(.*)$" if commented else r"^([A-Z_]+)=(.*)$"
    return dict(re.findall(pattern, EXAMPLE.read_text("utf-8"), re.MULTILINE))


@cache
def services() -> Mapping[str, Service]:
    """The services by name, with the values of .env.example."""
    values = {**defaults(), **example(commented=False)}
    text = _VARIABLE.sub(lambda found: values[found[1]], COMPOSE.read_text("utf-8"))
    found: dict[str, Service] = yaml.safe_load(text)["services"]
    return found


def app_of(service: Service) -> str | None:
    """The app whose image a service runs, None for another's."""
    found = re.fullmatch(r"localhost/clickstream-(\w+):.+", service["image"])
    return found[1] if found and (ROOT / "apps" / found[1] / "pyproject.toml").exists() else None


def environment(service: Service) -> dict[str, str]:
    """The variables that a service's container gets from compose.yaml."""
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def mounted(service: Service) -> dict[str, tuple[str, str]]:
    """What a container sees at a path: its source (a path here, or a volume), and how (ro, or nothing)."""
    parts = [each.split(":") for each in service.get("volumes", [])]
    return {target: (source, *how, "")[:2] for source, target, *how in parts}


def ports(service: Service) -> list[tuple[str, int, int]]:
    """Address and port on this machine, and the container's port."""
    parts = [each.split(":") for each in service.get("ports", [])]
    return [(address, int(outside), int(inside)) for address, outside, inside in parts]
