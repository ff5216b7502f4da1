"""Apache Kafka's jars, fetched once from Maven Central by coordinates, and run only as they were locked.

jgo's Python resolver reads the POMs and downloads; neither Maven nor a JVM takes part. Each coordinate is resolved by
itself and the results are united: resolved together, the versions that the logging binding manages would pull
kafka-clients down to 3.9.1, with which the broker does not start.

The jars are kept in one folder per Kafka version. They are collected in a folder beside it, which is renamed when all
are there and proven readable: a download that was interrupted is begun anew and never taken for a finished one. (jgo's
own cache would take half a jar for a whole one, which is why each download gets an empty cache.)

`kafka-jars.lock` beside this module names each jar with its SHA-256, as `sha256sum --check` reads it. Jars are compared
with it when they are downloaded and at each start, which takes a quarter of a second: what is not what was locked, on
the way or in the folder, is named and never run. `make lock-jars` (`python -m clickstream_local.jars --lock`) writes it
anew.
"""

import argparse
import fcntl
import hashlib
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import ParseError

from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from clickstream_local.errors import JarsUnavailable

KAFKA_VERSION = "4.3.1"
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
LOCK = Path(__file__).with_name("kafka-jars.lock")
_RUNTIME_SCOPES = ("compile", "runtime")
_PAUSES = (1.0, 3.0)
"""Seconds before the second and the third attempt of a download."""
_FAILURES = (OSError, RuntimeError, ParseError, zipfile.BadZipFile)
"""No connection, no room on the disk; "not found" as jgo says it; a proxy's page instead of a POM; half a jar."""
_Result = TypeVar("_Result")


def kafka_jars(
    directory: Path, report: Callable[[str], None] = lambda line: None, lock: Path = LOCK
) -> tuple[Path, ...]:
    """The jars that a broker needs on its class path, downloaded into `directory` when they are not there yet.

    `report` is called with progress, e.g. "Downloading Apache Kafka 4.3.1: 12 of 46 jars, 20 MB". Several processes may
    call this at once: one downloads, the others wait for it. Raises JarsUnavailable, also for a jar that is not the one
    in the `lock`.
    """
    locked = read_lock(lock)
    finished = directory / f"jars-{KAFKA_VERSION}"
    if not finished.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(directory / "download.lock"):
            if not finished.is_dir():
                _download(directory / f"jars-{KAFKA_VERSION}.partial", report, locked).rename(finished)
    jars = tuple(sorted(finished.glob("*.jar")))
    assert_kafka_version(jars, finished)
    _assert_locked(jars, finished, locked)
    return jars


def read_lock(lock: Path) -> dict[str, str]:
    """The SHA-256 of each jar by its name. Raises JarsUnavailable when there is no lock, or it is none."""
    try:
        lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        return {name: sha256 for sha256, name in (line.split("  ") for line in lines)}
    except (OSError, ValueError) as error:
        raise JarsUnavailable(
            f"{lock} cannot be read ({error}), and without it nobody knows whether Kafka's jars are the right ones: "
            f"restore it from the checkout"
        ) from error


def write_lock(lock: Path = LOCK, report: Callable[[str], None] = lambda line: None) -> int:
    """Download the jars and write the lock that names them; returns how many there are. Raises JarsUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        jars = sorted(_download(Path(folder, "jars"), report, None).glob("*.jar"))
        assert_kafka_version(tuple(jars), Path(folder))
        lines = [f"# What `python -m clickstream_local.jars --lock` found for Apache Kafka {KAFKA_VERSION}"]
        lines += [f"{_sha256(jar)}  {jar.name}" for jar in jars]
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(jars)


def assert_kafka_version(jars: tuple[Path, ...], directory: Path) -> None:
    """Raise JarsUnavailable unless exactly one kafka-clients is there and it has the version that the broker needs."""
    clients = [jar.name for jar in jars if jar.name.startswith("kafka-clients-")]
    if clients != [f"kafka-clients-{KAFKA_VERSION}.jar"]:
        raise JarsUnavailable(
            f"expected kafka-clients-{KAFKA_VERSION}.jar among Kafka's jars in {directory}, "
            f"found {', '.join(clients) or 'none'}: delete that folder and start again"
        )


def _assert_locked(jars: tuple[Path, ...], directory: Path, locked: Mapping[str, str]) -> None:
    """Raise JarsUnavailable unless the jars are those of the lock, all of them and no others."""
    names = {jar.name for jar in jars}
    wrong = [f"{jar.name} ({_difference(jar, locked)})" for jar in jars if _difference(jar, locked)]
    wrong += [f"{name} (missing)" for name in sorted(locked.keys() - names)]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise JarsUnavailable(
            f"Kafka's jars in {directory} are not those of {LOCK.name}: {wrong[0]}{more}. "
            f"Nothing of them was run; delete that folder and start again"
        )


def _difference(jar: Path, locked: Mapping[str, str]) -> str:
    """What is wrong with a jar, nothing for the one that was locked."""
    expected = locked.get(jar.name)
    if expected is None:
        return "not in the lock"
    found = _sha256(jar)
    return "" if found == expected else f"SHA-256 {found[:16]}…, expected {expected[:16]}…"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(directory: Path, report: Callable[[str], None], locked: Mapping[str, str] | None) -> Path:
    """Fetch all jars into `directory`, which is emptied first; returns it. Without `locked` any content will do."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir()
    try:
        report(f"Resolving Apache Kafka {KAFKA_VERSION} on Maven Central")
        artifacts = _retried(lambda: _resolve(directory / "cache"))
        megabytes = 0.0
        for number, artifact in enumerate(artifacts, 1):
            report(f"Downloading Apache Kafka {KAFKA_VERSION}: {number} of {len(artifacts)} jars, {megabytes:.0f} MB")
            megabytes += _fetch(artifact, directory, locked).stat().st_size / 1e6
    except _FAILURES as error:
        raise JarsUnavailable(
            f"could not download Apache Kafka {KAFKA_VERSION} from Maven Central: {type(error).__name__}: {error}. "
            f"Check the network (HTTPS_PROXY and REQUESTS_CA_BUNDLE are honoured) and run it again, "
            f"or set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere"
        ) from error
    shutil.rmtree(directory / "cache")
    return directory


def _resolve(cache: Path) -> list[Artifact]:
    """The artifacts of all coordinates and what they need at run time, each file name once."""
    # A POM that was half written when the line dropped must not be read at the next attempt.
    shutil.rmtree(cache, ignore_errors=True)
    found: dict[str, Artifact] = {}
    for text in COORDINATES:
        maven = MavenContext(resolver=PythonResolver(), repo_cache=cache, local_repos=[], timeout=30)
        wanted = maven.create_dependency(replace(Coordinate.parse(text), scope="compile"))
        inputs, transitive = maven.resolver.resolve([wanted])
        for dependency in [*inputs, *(each for each in transitive if each.scope in _RUNTIME_SCOPES)]:
            found.setdefault(dependency.artifact.filename, dependency.artifact)
    return list(found.values())


def _fetch(artifact: Artifact, directory: Path, locked: Mapping[str, str] | None) -> Path:
    """Download one jar into `directory`, prove that it can be read to its end, and that it is the one in `locked`."""

    def attempt() -> Path:
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        downloaded: Path = artifact.resolve()
        with zipfile.ZipFile(downloaded) as jar:
            if broken := jar.testzip():
                raise zipfile.BadZipFile(f"{artifact.filename}: {broken} is damaged")
        if locked is not None and (difference := _difference(downloaded, locked)):
            raise JarsUnavailable(
                f"{artifact.filename} as Maven Central serves it is not the one in {LOCK.name} ({difference}). "
                f"Nothing of it was run; a proxy may have changed it. If that is a new version of Kafka: make lock-jars"
            )
        return downloaded.rename(directory / artifact.filename)

    return _retried(attempt)


def _retried(attempt: Callable[[], _Result]) -> _Result:
    for pause in _PAUSES:
        try:
            return attempt()
        except _FAILURES:
            time.sleep(pause)
    return attempt()


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m clickstream_local.jars --lock`."""
    parser = argparse.ArgumentParser(prog="python -m clickstream_local.jars", description="Locks Kafka's jars.")
    parser.add_argument(
        "--lock", action="store_true", required=True, help=f"download them and write {LOCK.name} with their SHA-256"
    )
    parser.parse_args(argv)
    try:
        count = write_lock(report=lambda line: print(line, file=sys.stderr))
    except JarsUnavailable as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(f"✓ {count} jars of Apache Kafka {KAFKA_VERSION} are in {LOCK}: see what changed with git diff")
    return 0


if __name__ == "__main__":
    sys.exit(main())
