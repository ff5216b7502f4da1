"""Each package imports only what its pyproject.toml declares, in the installed app too, where nothing else is there.

Declared is what a package names itself, and what a package of this repository that it names declares in turn, with the
extras that are asked for and no others. Modules of these packages are followed to what they import when they are
imported; what a function imports in its turn counts for the function's own package.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kit import inventory

_ROOT = Path(__file__).parents[1]
_DISTRIBUTIONS = packages_distributions()


def _packages() -> dict[str, Path]:
    """The folders of this repository's packages, by the names of their modules."""
    files = [
        *inventory.projects(),
        *_ROOT.glob("local/pyproject.toml"),
        *_ROOT.glob("examples/*/pyproject.toml"),
    ]
    return {
        package: file.parent
        for file in sorted(files)
        for package in tomllib.loads(file.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }


PACKAGES = _packages()


def _module_name(distribution: str) -> str:
    return distribution.replace("-", "_")


def declared(package: str, extras: frozenset[str]) -> set[str]:
    """The distributions that a package with these extras brings: its own and those of our packages that it names."""
    project = tomllib.loads((PACKAGES[package] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    found = {project["name"]}
    for line in project.get("dependencies", []) + [each for extra in sorted(extras) for each in optional[extra]]:
        requirement = Requirement(line)
        found.add(_canonical(requirement.name))
        if _module_name(requirement.name) in PACKAGES:
            found |= declared(_module_name(requirement.name), frozenset(requirement.extras))
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _file_of(module: str) -> Path | None:
    path = PACKAGES[module.partition(".")[0]] / module.replace(".", "/")
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


@cache
def imported_by(file: Path, *, when_imported: bool) -> frozenset[str]:
    """The modules that a file names in its imports, or only those that importing it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in _outside_functions(tree) if when_imported else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _outside_functions(child)


def needed(package: str) -> dict[str, str]:
    """The distributions that a package's modules import, each with a file that does."""
    found: dict[str, str] = {}
    queue = [(file, False) for file in sorted((PACKAGES[package] / package).rglob("*.py"))]
    seen = {file for file, _ in queue}
    while queue:
        file, when_imported = queue.pop()
        for module in imported_by(file, when_imported=when_imported):
            top = module.partition(".")[0]
            if top in PACKAGES:
                followed = _file_of(module)
                if followed is not None and followed not in seen:
                    seen.add(followed)
                    queue.append((followed, True))
            if top not in sys.stdlib_module_names:
                for distribution in _DISTRIBUTIONS.get(top, [top]):
                    found.setdefault(_canonical(distribution), str(file.relative_to(_ROOT)))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_declares(package: str) -> None:
    project = tomllib.loads((PACKAGES[package] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # A library's modules may use its extras; an app that takes the module has to ask for them.
    brought = declared(package, frozenset(project.get("optional-dependencies", {})))
    undeclared = {name: file for name, file in needed(package).items() if name not in brought}
    assert undeclared == {}


def test_an_app_without_an_extra_of_ours_may_not_use_what_needs_it() -> None:
    without = declared("clickstream_kafka", frozenset())
    assert "aiokafka" in needed("clickstream_kafka").keys() - without
    assert "aiokafka" not in declared("clickstream_consumer", frozenset()) | set(needed("clickstream_consumer"))
