"""Jars from Maven Central, by coordinates, with what they need at run time."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Coordinate


def fetch_jars(coordinates: Iterable[str], directory: Path, *, alone: bool = False) -> None:
    """Download the jars, each coordinate resolved by itself; they are complete once `directory` has its name.

    `alone` leaves out what they need.
    """
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    cache = partial / "cache"
    for text in coordinates:
        maven = MavenContext(resolver=PythonResolver(), repo_cache=cache, local_repos=[], timeout=30)
        wanted = maven.create_dependency(replace(Coordinate.parse(text), scope="compile"))
        inputs, transitive = ([wanted], []) if alone else maven.resolver.resolve([wanted])
        for dependency in [*inputs, *(each for each in transitive if each.scope in ("compile", "runtime"))]:
            target = partial / dependency.artifact.filename
            if not target.exists():
                shutil.copy(dependency.artifact.resolve(), target)
    shutil.rmtree(cache)
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)
