"""Apache Kafka's jars, downloaded once from Maven Central and run only if they match the lock.

jgo's Python resolver reads the POMs and downloads the jars, without Maven or a JVM. Each coordinate is resolved on its
own and the results are combined: resolved together, the logging binding's managed versions would lower kafka-clients
to 3.9.1, with which the broker does not start.

There is one folder of jars for each version of Kafka. The jars are downloaded into a folder beside it, which is renamed
when all are there and readable. So an interrupted download starts over and is never used. (Each download gets an empty
cache, because jgo would use half a jar from its cache.)

`kafka-jars.lock` beside this module lists each jar with its SHA-256, in the format of `sha256sum --check`. Jars are
compared with it after their download and at each start, which takes a quarter of a second. A jar that differs is named
and never run. `make lock-jars` (`python -m clickstream_local.jars --lock`) writes the lock.
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
_RETRY_PAUSES_S = (1.0, 3.0)
"""Before the second and the third attempt of a download."""
_FAILURES = (OSError, RuntimeError, ParseError, zipfile.BadZipFile)
"""No connection or a full disk; jgo's "not found"; a proxy's page instead of a POM; half a jar."""
_Result = TypeVar("_Result")


def kafka_jars(
    directory: Path, report: Callable[[str], None] = lambda line: None, lock: Path = LOCK
) -> tuple[Path, ...]:
    """Return the jars of a broker's class path, downloaded into `directory` if they are not there yet.

    `report` is called with progress, e.g. "Downloading Apache Kafka 4.3.1: 12 of 46 jars, 20 MB". Several processes may
    call this at once: one downloads, the others wait. Raises JarsUnavailable, also if a jar does not match `lock`.
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
    """Return the SHA-256 of each jar by its name. Raises JarsUnavailable if the lock is missing or malformed."""
    try:
        lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        return {name: sha256 for sha256, name in (line.split("  ") for line in lines)}
    except (OSError, ValueError) as error:
        raise JarsUnavailable(
            f"{lock} cannot be read ({error}), and without it Kafka's jars can't be verified: restore it from git"
        ) from error


def write_lock(lock: Path = LOCK, report: Callable[[str], None] = lambda line: None) -> int:
    """Download the jars and write their lock; returns how many there are. Raises JarsUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        jars = sorted(_download(Path(folder, "jars"), report, None).glob("*.jar"))
        assert_kafka_version(tuple(jars), Path(folder))
        lines = [f"# What `python -m clickstream_local.jars --lock` found for Apache Kafka {KAFKA_VERSION}"]
        lines += [f"{_sha256(jar)}  {jar.name}" for jar in jars]
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(jars)


def assert_kafka_version(jars: tuple[Path, ...], directory: Path) -> None:
    """Raise JarsUnavailable unless there is exactly one kafka-clients, of the version that the broker needs."""
    clients = [jar.name for jar in jars if jar.name.startswith("kafka-clients-")]
    if clients != [f"kafka-clients-{KAFKA_VERSION}.jar"]:
        raise JarsUnavailable(
            f"expected kafka-clients-{KAFKA_VERSION}.jar among Kafka's jars in {directory}, "
            f"found {', '.join(clients) or 'none'}: delete that folder and start again"
        )


def _assert_locked(jars: tuple[Path, ...], directory: Path, locked: Mapping[str, str]) -> None:
    """Raise JarsUnavailable unless the jars are exactly those of the lock."""
    names = {jar.name for jar in jars}
    wrong = [f"{jar.name} ({_difference(jar, locked)})" for jar in jars if _difference(jar, locked)]
    wrong += [f"{name} (missing)" for name in sorted(locked.keys() - names)]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise JarsUnavailable(
            f"Kafka's jars in {directory} are not those of {LOCK.name}: {wrong[0]}{more}. "
            f"None of them was run; delete that folder and start again"
        )


def _difference(jar: Path, locked: Mapping[str, str]) -> str:
    """Return how a jar differs from the lock, "" if it does not."""
    expected = locked.get(jar.name)
    if expected is None:
        return "not in the lock"
    found = _sha256(jar)
    return "" if found == expected else f"SHA-256 {found[:16]}…, expected {expected[:16]}…"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(directory: Path, report: Callable[[str], None], locked: Mapping[str, str] | None) -> Path:
    """Download all jars into `directory`, emptied first; returns it. Without `locked` they are not verified."""
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
            f"Check the network (HTTPS_PROXY and REQUESTS_CA_BUNDLE are used) and try again, "
            f"or set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere"
        ) from error
    shutil.rmtree(directory / "cache")
    return directory


def _resolve(cache: Path) -> list[Artifact]:
    """Return the artifacts of all coordinates and of their run-time dependencies, each file name once."""
    # A POM that was cut off with the connection must not be read at the next attempt.
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
    """Download one jar into `directory`; check that all of it can be read and that it matches `locked`."""

    def attempt() -> Path:
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        downloaded: Path = artifact.resolve()
        with zipfile.ZipFile(downloaded) as jar:
            if broken := jar.testzip():
                raise zipfile.BadZipFile(f"{artifact.filename}: {broken} is damaged")
        if locked is not None and (difference := _difference(downloaded, locked)):
            raise JarsUnavailable(
                f"{artifact.filename} from Maven Central does not match {LOCK.name} ({difference}). "
                f"It was not run; a proxy may have changed it. After a change of Kafka's version: make lock-jars"
            )
        return downloaded.rename(directory / artifact.filename)

    return _retried(attempt)


def _retried(attempt: Callable[[], _Result]) -> _Result:
    for pause in _RETRY_PAUSES_S:
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
