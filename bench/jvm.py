"""The Kafka Streams contestant: its jars from Maven Central and its class, built once below .local/bench/java.

javac compiles it if the machine has one, otherwise Eclipse's compiler, which is a jar.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Coordinate

from clickstream_local.java import find_java
from workspace import BENCH, KEPT

KAFKA_STREAMS = "4.3.1"
_JACKSON = "2.21.2"
_MAIN = "ClickstreamWindows"
_RUN = (
    f"org.apache.kafka:kafka-streams:{KAFKA_STREAMS}",
    f"com.fasterxml.jackson.core:jackson-databind:{_JACKSON}",
    "org.slf4j:slf4j-nop:1.7.36",
)
_COMPILER = "org.eclipse.jdt:ecj:3.40.0"


def prepare() -> list[str | Path]:
    """Download the jars and compile, if not done yet; return the command that runs the contestant."""
    java = find_java()
    jars = _jars("run", _RUN)
    source, classes = BENCH / "java" / f"{_MAIN}.java", KEPT / "java" / "classes"
    compiled = classes / f"{_MAIN}.class"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        classes.mkdir(parents=True, exist_ok=True)
        javac = shutil.which("javac")
        if javac is not None:
            compiler: list[str | Path] = [javac, "--release", "17"]
        else:
            compiler = [java, "-jar", next(iter(_jars("compiler", (_COMPILER,)))), "-17"]
        subprocess.run([*compiler, "-d", classes, "-cp", _class_path(jars), source], check=True)
    return [java, "-XX:+UseParallelGC", "-Xmx2g", "-cp", _class_path([classes, *jars]), _MAIN]


def _class_path(parts: list[Path]) -> str:
    return ":".join(str(part) for part in parts)


def _jars(name: str, coordinates: tuple[str, ...]) -> list[Path]:
    """The jars of the coordinates and what they need; they are complete when the folder has its name."""
    finished = KEPT / "java" / name
    if not finished.exists():
        partial = finished.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for text in coordinates:
            print(f"Fetching {text}", flush=True)
            _fetch(text, partial)
        shutil.rmtree(partial / "cache")
        partial.rename(finished)
    return sorted(finished.glob("*.jar"))


def _fetch(text: str, directory: Path) -> None:
    maven = MavenContext(resolver=PythonResolver(), repo_cache=directory / "cache", local_repos=[], timeout=30)
    wanted = maven.create_dependency(replace(Coordinate.parse(text), scope="compile"))
    inputs, transitive = maven.resolver.resolve([wanted])
    for dependency in [*inputs, *(each for each in transitive if each.scope in ("compile", "runtime"))]:
        target = directory / dependency.artifact.filename
        if not target.exists():
            shutil.copy(dependency.artifact.resolve(), target)
