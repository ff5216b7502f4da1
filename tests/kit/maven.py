"""Jars from Maven Central, by coordinates, with what they need at run time; and locks, as `sha256sum --check` reads."""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Coordinate

from clickstream_local.jars import read_lock


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


def locked_jars(coordinates: Iterable[str], folder: Path, lock: Path, *, alone: bool = False) -> tuple[Path, ...]:
    """Return the jars in `folder`, downloaded if it is not there; raises AssertionError if they are not the lock's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name("download.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not folder.is_dir():
            fetch_jars(coordinates, folder, alone=alone)
    found = _checksums(folder)
    assert found == read_lock(lock), f"the jars in {folder} are not those of {lock.name}"
    return tuple(folder / name for name in found)


def write_lock(coordinates: Iterable[str], lock: Path, found_by: str, *, alone: bool = False) -> None:
    """Download the jars and write their lock; `found_by` says what wrote it."""
    with tempfile.TemporaryDirectory() as temporary:
        fetch_jars(coordinates, Path(temporary, "jars"), alone=alone)
        lines = [f"{sha256}  {name}" for name, sha256 in _checksums(Path(temporary, "jars")).items()]
    lock.write_text("\n".join([f"# What {found_by}", *lines]) + "\n", encoding="utf-8")


def _checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each jar (and of each zip file, as distributions are) by its name."""
    files = sorted(each for each in folder.iterdir() if each.suffix in (".jar", ".zip"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
