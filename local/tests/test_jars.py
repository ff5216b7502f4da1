import hashlib
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from clickstream_local import jars
from clickstream_local.errors import JarsUnavailable
from clickstream_local.jars import (
    CONNECT,
    ICEBERG_VERSION,
    KAFKA_VERSION,
    LOCK,
    SPARK,
    SPARK_VERSION,
    assert_kafka_version,
    kafka_jars,
    read_lock,
    write_lock,
)

CLIENTS = f"kafka-clients-{KAFKA_VERSION}.jar"


class StandIn:
    """A jar as Maven Central would serve it: at each download, the next of the contents (None: no connection)."""

    def __init__(self, directory: Path, filename: str, *contents: bytes | None) -> None:
        self.filename = filename
        self.cached_path = directory / filename
        self._contents = list(contents)

    def resolve(self) -> Path:
        content = self._contents.pop(0)
        if content is None:
            raise ConnectionError("no route to host")
        self.cached_path.write_bytes(content)
        return self.cached_path


@pytest.fixture
def jar(tmp_path: Path) -> bytes:
    """A small readable jar."""
    with zipfile.ZipFile(tmp_path / "jar", "w") as archive:
        archive.writestr("Kafka.class", "x" * 1000)
    return (tmp_path / "jar").read_bytes()


def offer(monkeypatch: pytest.MonkeyPatch, *artifacts: StandIn) -> None:
    monkeypatch.setattr(jars, "_RETRY_PAUSES_S", (0, 0))

    def resolve(coordinates: Sequence[str], cache: Path) -> list[StandIn]:
        cache.mkdir()
        return list(artifacts)

    monkeypatch.setattr(jars, "resolve", resolve)


@pytest.fixture
def lock(tmp_path: Path, jar: bytes) -> Path:
    """A lock of the small jar, as kafka-clients."""
    file = tmp_path / "test.lock"
    file.write_text(f"# a comment\n{hashlib.sha256(jar).hexdigest()}  {CLIENTS}\n")
    return file


def test_the_jars_are_downloaded_once(tmp_path: Path, jar: bytes, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, StandIn(tmp_path, CLIENTS, jar))
    told: list[str] = []

    first = kafka_jars(tmp_path / "kafka", told.append, lock)
    told_at_first, told[:] = list(told), []

    assert [each.name for each in first] == [CLIENTS]
    assert any("1 of 1 jars" in line for line in told_at_first)
    assert kafka_jars(tmp_path / "kafka", told.append, lock) == first
    assert told == []


def test_half_a_jar_is_downloaded_again(
    tmp_path: Path, jar: bytes, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = jar.replace(b"x" * 10, b"y" * 10, 1)
    offer(monkeypatch, StandIn(tmp_path, CLIENTS, jar[:-30], damaged, jar))

    found = kafka_jars(tmp_path / "kafka", lock=lock)

    assert found[0].read_bytes() == jar


def test_without_a_network_it_says_so_and_nothing_half_is_kept(
    tmp_path: Path, jar: bytes, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock.open("a") as lines:
        lines.write(f"{hashlib.sha256(jar).hexdigest()}  scala.jar\n")
    offer(monkeypatch, StandIn(tmp_path, "scala.jar", jar), StandIn(tmp_path, CLIENTS, None, None, None))
    with pytest.raises(JarsUnavailable, match=r"no route to host.*KAFKA_BOOTSTRAP_SERVERS"):
        kafka_jars(tmp_path / "kafka", lock=lock)

    offer(monkeypatch, StandIn(tmp_path, "scala.jar", jar), StandIn(tmp_path, CLIENTS, jar))

    assert [each.name for each in kafka_jars(tmp_path / "kafka", lock=lock)] == [CLIENTS, "scala.jar"]


def another(directory: Path) -> bytes:
    """A jar that can be read, with other content."""
    with zipfile.ZipFile(directory / "another", "w") as archive:
        archive.writestr("Kafka.class", "y" * 1000)
    return (directory / "another").read_bytes()


def test_a_changed_jar_is_never_taken_from_the_network(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, StandIn(tmp_path, CLIENTS, another(tmp_path)))

    with pytest.raises(JarsUnavailable, match=f"{re.escape(CLIENTS)} from Maven Central does not match") as error:
        kafka_jars(tmp_path / "kafka", lock=lock)

    assert "\n" not in str(error.value)
    assert not (tmp_path / "kafka" / f"jars-{KAFKA_VERSION}").exists()


def test_a_jar_that_the_lock_does_not_name_is_not_taken_either(
    tmp_path: Path, jar: bytes, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, StandIn(tmp_path, CLIENTS, jar), StandIn(tmp_path, "extra.jar", jar))

    with pytest.raises(JarsUnavailable, match=r"extra\.jar .*not in the lock"):
        kafka_jars(tmp_path / "kafka", lock=lock)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: (folder / CLIENTS).write_bytes(another(folder)),
            rf"{re.escape(CLIENTS)} \(SHA-256 [0-9a-f]{{16}}…",
        ),
        (lambda folder: (folder / "extra.jar").write_bytes(another(folder)), r"extra\.jar \(not in the lock\)"),
        (lambda folder: (folder / "scala.jar").unlink(), r"scala\.jar \(missing\)"),
    ],
    ids=["changed", "added", "missing"],
)
def test_jars_that_were_changed_in_the_folder_are_not_run(
    tmp_path: Path,
    jar: bytes,
    lock: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    message: str,
) -> None:
    with lock.open("a") as lines:
        lines.write(f"{hashlib.sha256(jar).hexdigest()}  scala.jar\n")
    offer(monkeypatch, StandIn(tmp_path, "scala.jar", jar), StandIn(tmp_path, CLIENTS, jar))
    kafka_jars(tmp_path / "kafka", lock=lock)
    change(tmp_path / "kafka" / f"jars-{KAFKA_VERSION}")

    with pytest.raises(JarsUnavailable, match=rf"not those of test\.lock: {message}.*delete that folder") as error:
        kafka_jars(tmp_path / "kafka", lock=lock)

    assert "\n" not in str(error.value)


def test_the_lock_is_written_from_what_is_downloaded(
    tmp_path: Path, jar: bytes, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, StandIn(tmp_path, CLIENTS, jar))
    written = tmp_path / "new.lock"

    assert write_lock(written) == 1

    assert read_lock(written) == read_lock(lock)
    assert written.read_text().startswith("# ")


@pytest.mark.parametrize("content", [None, "no lock at all\n"])
def test_without_a_lock_nothing_is_run(tmp_path: Path, lock: Path, content: str | None) -> None:
    lock.unlink()
    if content is not None:
        lock.write_text(content)
    with pytest.raises(JarsUnavailable, match=r"test\.lock cannot be read"):
        kafka_jars(tmp_path / "kafka", lock=lock)


def test_the_lock_of_the_checkout_names_46_jars_of_this_kafka() -> None:
    locked = read_lock(LOCK)

    assert len(locked) == 46
    assert CLIENTS in locked
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in locked.values())


def test_the_lock_of_kafka_connect_names_a_worker_and_its_plugins_once_each() -> None:
    locked = read_lock(CONNECT.lock)

    assert {str(Path(name).parent) for name in locked} == {"worker", "plugins/iceberg", "plugins/debezium"}
    assert f"worker/{CLIENTS}" in locked
    assert f"plugins/iceberg/iceberg-kafka-connect-{ICEBERG_VERSION}.jar" in locked
    artifacts = [re.sub(r"-\d[^/]*\.jar$", "", name) for name in locked]
    assert len(artifacts) == len(set(artifacts)), "an artifact in two versions"


def test_the_lock_of_spark_names_its_source_and_s3_without_the_bundle_of_aws() -> None:
    locked = read_lock(SPARK.lock)

    assert len(locked) == len(SPARK.alone[""]) == 40
    assert {f"spark-sql-kafka-0-10_2.13-{SPARK_VERSION}.jar", f"kafka-clients-{SPARK.kafka_clients}.jar"} <= set(locked)
    assert not any(name.startswith("bundle") for name in locked)


@pytest.mark.parametrize(
    "names", [(), ("kafka-clients-3.9.1.jar",), ("kafka-clients-3.9.1.jar", "kafka-clients-4.3.1.jar")]
)
def test_the_wrong_version_of_kafka_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(JarsUnavailable, match=r"expected kafka-clients-4\.3\.1\.jar"):
        assert_kafka_version(tuple(Path(name) for name in names), Path("kafka"))


def test_the_jars_of_kafka_are_the_46_that_both_coordinates_need(jars: tuple[Path, ...]) -> None:
    names = {each.name for each in jars}

    assert len(names) == 46
    assert {"kafka_2.13-4.3.1.jar", "kafka-clients-4.3.1.jar", "log4j-slf4j-impl-2.25.4.jar"} <= names
