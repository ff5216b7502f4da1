"""Jars from Maven Central, downloaded once and run only if they match a lock: Kafka's, the archive's, and Spark's.

jgo's Python resolver reads the POMs and downloads the jars, without Maven or a JVM. Each coordinate is resolved on its
own and the results are combined, the newest version of each: resolved together, the logging binding's managed versions
would lower kafka-clients to 3.9.1, with which the broker does not start. What a set takes alone is not resolved.

A set of jars has one folder, named after its version. The jars are downloaded into a folder beside it, which is renamed
when all are there and readable. So an interrupted download starts over and is never used. (Each download gets an empty
cache, because jgo would use half a jar from its cache.)

A lock lists each jar with its SHA-256, in the format of `sha256sum --check`. Jars are compared with it after their
download and at each start, which takes a quarter of a second for Kafka's. A jar that differs is named and never run.
`make lock-jars` (`python -m clickstream_local.jars --lock`) writes the locks.
"""

import argparse
import fcntl
import hashlib
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import ParseError

from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from clickstream_local.errors import JarsUnavailable
from clickstream_local.screen import Screen

KAFKA_VERSION = "4.3.1"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
_RUNTIME_SCOPES = ("compile", "runtime")
_RETRY_PAUSES_S = (1.0, 3.0)
"""Before the second and the third attempt of a download."""
_FAILURES = (OSError, RuntimeError, ParseError, zipfile.BadZipFile)
"""No connection or a full disk; jgo's "not found"; a proxy's page instead of a POM; half a jar."""
_Result = TypeVar("_Result")
Report = Callable[[str], None]


def _silent(line: str) -> None:
    pass


@dataclass(frozen=True)
class JarSet:
    """Jars that are used together.

    `title` is their name in messages, `version` names their folder, `coordinates` are those of each subfolder ("" for
    none), `megabytes` is what a download takes, `otherwise` what a user can do without them. `alone` are coordinates
    whose own needs are left out, because they are there already. `kafka_clients` is that library's version in the set.
    """

    title: str
    version: str
    coordinates: Mapping[str, Sequence[str]]
    lock: Path
    megabytes: int
    otherwise: str = ""
    alone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kafka_clients: str = KAFKA_VERSION

    def folder(self, directory: Path) -> Path:
        """Return where the jars are once they have been downloaded."""
        return directory / f"jars-{self.version}"


KAFKA = JarSet(
    title=f"Apache Kafka {KAFKA_VERSION}",
    version=KAFKA_VERSION,
    coordinates={"": (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", _LOGGING)},
    lock=Path(__file__).with_name("kafka-jars.lock"),
    megabytes=45,
    otherwise=", or set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere",
)
LOCK = KAFKA.lock

ICEBERG_VERSION = "1.12.0"
_ICEBERG = tuple(
    f"org.apache.iceberg:iceberg-{name}:{ICEBERG_VERSION}" for name in ("kafka-connect", "parquet", "aws", "aws-bundle")
)
CONNECT = JarSet(
    title=f"Kafka Connect {KAFKA_VERSION} with Apache Iceberg {ICEBERG_VERSION}",
    version=f"{KAFKA_VERSION}-iceberg-{ICEBERG_VERSION}",
    coordinates={
        "worker": (
            f"org.apache.kafka:connect-runtime:{KAFKA_VERSION}",
            f"org.apache.kafka:connect-transforms:{KAFKA_VERSION}",
            _LOGGING,
        ),
        # S3, HDFS and folders alike; Parquet needs Hadoop's classes everywhere.
        "plugins/iceberg": (
            *_ICEBERG,
            "org.apache.hadoop:hadoop-client-api:3.4.3",
            "org.apache.hadoop:hadoop-client-runtime:3.4.3",
        ),
        # HeaderToValue: the headers of dead letters and results become columns.
        "plugins/debezium": ("io.debezium:debezium-core:3.4.3.Final",),
    },
    lock=Path(__file__).with_name("connect-jars.lock"),
    megabytes=203,
)
"""A Connect worker's class path (worker) and its plugin.path (plugins)."""

SPARK_VERSION = "4.2.0"
_AWS_SDK = (
    *("annotations", "apache-client", "arns", "auth", "aws-core", "aws-query-protocol", "aws-xml-protocol"),
    *("checksums", "checksums-spi", "crt-core", "endpoints-spi", "http-auth", "http-auth-aws"),
    *("http-auth-aws-eventstream", "http-auth-spi", "http-client-spi", "identity-spi", "json-utils", "metrics-spi"),
    *("netty-nio-client", "profiles", "protocol-core", "regions", "retries", "retries-spi", "s3"),
    *("s3-transfer-manager", "sdk-core", "sts", "third-party-jackson-core", "utils", "utils-lite"),
)
SPARK = JarSet(
    title=f"Spark's access to Kafka and S3 {SPARK_VERSION}",
    version=SPARK_VERSION,
    coordinates={},
    alone={
        "": (
            f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK_VERSION}",
            f"org.apache.spark:spark-token-provider-kafka-0-10_2.13:{SPARK_VERSION}",
            "org.apache.kafka:kafka-clients:3.9.2",
            "org.apache.commons:commons-pool2:2.13.1",
            # hadoop-aws of PySpark's Hadoop, with those modules of the AWS SDK that it uses: the bundle has 686 MB.
            "org.apache.hadoop:hadoop-aws:3.5.0",
            *(f"software.amazon.awssdk:{name}:2.35.4" for name in _AWS_SDK),
            "software.amazon.eventstream:eventstream:1.0.1",
            "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.3.1",
            "org.reactivestreams:reactive-streams:1.0.4",
        )
    },
    lock=Path(__file__).with_name("spark-jars.lock"),
    megabytes=23,
    kafka_clients="3.9.2",
)
"""What the statistics job adds to PySpark, which has the rest."""


def kafka_jars(directory: Path, report: Report = _silent, lock: Path = LOCK) -> tuple[Path, ...]:
    """Return the jars of a broker's class path, downloaded into `directory` if they are not there yet.

    Raises JarsUnavailable, also if a jar does not match `lock`.
    """
    return fetched(replace(KAFKA, lock=lock), directory, report)


def fetched(jars: JarSet, directory: Path, report: Report = _silent) -> tuple[Path, ...]:
    """Return the jars, downloaded into a folder of `directory` if they are not there yet.

    `report` is called with progress, e.g. "Downloading Apache Kafka 4.3.1: 12 of 46 jars, 20 of 45 MB". Several
    processes may call this at once: one downloads, the others wait. Raises JarsUnavailable, also if a jar does not
    match the lock.
    """
    locked = read_lock(jars.lock)
    finished = jars.folder(directory)
    if not finished.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(directory / "download.lock"):
            if not finished.is_dir():
                partial = finished.with_name(f"{finished.name}.partial")
                _download(jars, partial, report, locked).rename(finished)
    found = _jars_below(finished)
    assert_kafka_version(found, finished, jars.kafka_clients)
    _assert_locked(jars, finished, found, locked)
    return found


def read_lock(lock: Path) -> dict[str, str]:
    """Return the SHA-256 of each jar by its path in the set. Raises JarsUnavailable for no or a malformed lock."""
    try:
        lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        return {name: sha256 for sha256, name in (line.split("  ") for line in lines)}
    except (OSError, ValueError) as error:
        raise JarsUnavailable(
            f"{lock} cannot be read ({error}), and without it jars can't be verified: restore it from git"
        ) from error


def write_lock(lock: Path = LOCK, report: Report = _silent, jars: JarSet = KAFKA) -> int:
    """Download the jars and write their lock; returns how many there are. Raises JarsUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        directory = _download(jars, Path(folder, "jars"), report, None)
        found = _jars_below(directory)
        assert_kafka_version(found, directory, jars.kafka_clients)
        lines = [f"# What `python -m clickstream_local.jars --lock` found for {jars.title}"]
        lines += [f"{_sha256(jar)}  {jar.relative_to(directory)}" for jar in found]
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(found)


def assert_kafka_version(jars: tuple[Path, ...], directory: Path, version: str = KAFKA_VERSION) -> None:
    """Raise JarsUnavailable unless there is exactly one kafka-clients, of the version that the set needs."""
    clients = [jar.name for jar in jars if jar.name.startswith("kafka-clients-")]
    if clients != [f"kafka-clients-{version}.jar"]:
        raise JarsUnavailable(
            f"expected kafka-clients-{version}.jar among Kafka's jars in {directory}, "
            f"found {', '.join(clients) or 'none'}: delete that folder and start again"
        )


def _jars_below(directory: Path) -> tuple[Path, ...]:
    return tuple(sorted(directory.rglob("*.jar")))


def _assert_locked(jars: JarSet, directory: Path, found: Sequence[Path], locked: Mapping[str, str]) -> None:
    """Raise JarsUnavailable unless the jars are exactly those of the lock."""
    names = {str(jar.relative_to(directory)): jar for jar in found}
    differences = {name: _difference(name, jar, locked) for name, jar in names.items()}
    wrong = [f"{name} ({difference})" for name, difference in differences.items() if difference]
    wrong += [f"{name} (missing)" for name in sorted(locked.keys() - names.keys())]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise JarsUnavailable(
            f"the jars of {jars.title} in {directory} are not those of {jars.lock.name}: {wrong[0]}{more}. "
            f"None of them was run; delete that folder and start again"
        )


def _difference(name: str, jar: Path, locked: Mapping[str, str]) -> str:
    """Return how a jar differs from the lock, "" if it does not."""
    expected = locked.get(name)
    if expected is None:
        return "not in the lock"
    found = _sha256(jar)
    return "" if found == expected else f"SHA-256 {found[:16]}…, expected {expected[:16]}…"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(jars: JarSet, directory: Path, report: Report, locked: Mapping[str, str] | None) -> Path:
    """Download all jars into `directory`, emptied first; returns it. Without `locked` they are not verified."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir()
    try:
        report(f"Resolving {jars.title} on Maven Central")
        artifacts = [
            (subfolder, artifact)
            for subfolder, coordinates in jars.coordinates.items()
            for artifact in _retried(partial(resolve, coordinates, directory / "cache"))
        ]
        artifacts += [
            (subfolder, artifact)
            for subfolder, coordinates in jars.alone.items()
            for artifact in alone(coordinates, directory / "cache")
        ]
        megabytes = 0.0
        for number, (subfolder, artifact) in enumerate(artifacts, 1):
            size = f"{megabytes:.0f} of {jars.megabytes} MB"
            report(f"Downloading {jars.title}: {number} of {len(artifacts)} jars, {size}")
            megabytes += _fetch(artifact, directory, subfolder, jars.lock, locked).stat().st_size / 1e6
    except _FAILURES as error:
        raise JarsUnavailable(
            f"could not download {jars.title} from Maven Central: {type(error).__name__}: {error}. "
            f"Check the network (HTTPS_PROXY and REQUESTS_CA_BUNDLE are used) and try again{jars.otherwise}"
        ) from error
    shutil.rmtree(directory / "cache")
    return directory


def resolve(coordinates: Sequence[str], cache: Path) -> list[Artifact]:
    """Return the jars of the coordinates and those they need at run time, each artifact in its newest version."""
    # A POM that was cut off with the connection must not be read at the next attempt.
    shutil.rmtree(cache, ignore_errors=True)
    found: dict[tuple[str, str, str], Artifact] = {}
    for text in coordinates:
        maven = MavenContext(resolver=PythonResolver(), repo_cache=cache, local_repos=[], timeout=30)
        wanted = maven.create_dependency(replace(Coordinate.parse(text), scope="compile"))
        inputs, transitive = maven.resolver.resolve([wanted])
        for dependency in [*inputs, *(each for each in transitive if each.scope in _RUNTIME_SCOPES)]:
            artifact = dependency.artifact
            name = (artifact.groupId, artifact.artifactId, artifact.classifier)
            if name not in found or _numbers(artifact.version) > _numbers(found[name].version):
                found[name] = artifact
    return list(found.values())


def alone(coordinates: Sequence[str], cache: Path) -> list[Artifact]:
    """Return the jars of the coordinates, and nothing that they need."""
    maven = MavenContext(resolver=PythonResolver(), repo_cache=cache, local_repos=[], timeout=30)
    return [maven.create_dependency(Coordinate.parse(text)).artifact for text in coordinates]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


def _fetch(artifact: Artifact, directory: Path, subfolder: str, lock: Path, locked: Mapping[str, str] | None) -> Path:
    """Download one jar; check that all of it can be read and that it matches `locked`."""
    target = directory / subfolder / artifact.filename
    target.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> Path:
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        downloaded: Path = artifact.resolve()
        with zipfile.ZipFile(downloaded) as jar:
            if broken := jar.testzip():
                raise zipfile.BadZipFile(f"{artifact.filename}: {broken} is damaged")
        name = str(target.relative_to(directory))
        if locked is not None and (difference := _difference(name, downloaded, locked)):
            raise JarsUnavailable(
                f"{artifact.filename} from Maven Central does not match {lock.name} ({difference}). "
                f"It was not run; a proxy may have changed it. After a change of a version: make lock-jars"
            )
        return downloaded.rename(target)

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
    """`python -m clickstream_local.jars --lock`, `--connect FOLDER` and `--spark FOLDER` for images."""
    parser = argparse.ArgumentParser(prog="python -m clickstream_local.jars", description="Fetches and locks jars.")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--lock", action="store_true", help="download all jars and write the locks with their SHA-256")
    wanted.add_argument("--connect", type=Path, metavar="FOLDER", help="download those of Kafka Connect, as locked")
    wanted.add_argument("--spark", type=Path, metavar="FOLDER", help="download those of the statistics, as locked")
    chosen = parser.parse_args(argv)
    report = Screen(sys.stderr).progress
    try:
        for jars, folder in ((CONNECT, chosen.connect), (SPARK, chosen.spark)):
            if folder:
                fetched(jars, folder, report)
                print(jars.folder(folder))
                return 0
        for jars in (KAFKA, CONNECT, SPARK):
            count = write_lock(jars.lock, report, jars)
            print(f"✓ {count} jars of {jars.title} are in {jars.lock}: see what changed with git diff")
    except JarsUnavailable as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
