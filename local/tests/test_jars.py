import zipfile
from pathlib import Path

import pytest

from clickstream_local import jars
from clickstream_local.errors import JarsUnavailable
from clickstream_local.jars import KAFKA_VERSION, assert_kafka_version, kafka_jars


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
    monkeypatch.setattr(jars, "_PAUSES", (0, 0))

    def resolve(cache: Path) -> list[StandIn]:
        cache.mkdir()
        return list(artifacts)

    monkeypatch.setattr(jars, "_resolve", resolve)


def test_the_jars_are_downloaded_once(tmp_path: Path, jar: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"kafka-clients-{KAFKA_VERSION}.jar"
    offer(monkeypatch, StandIn(tmp_path, name, jar))
    told: list[str] = []

    first = kafka_jars(tmp_path / "kafka", told.append)
    told_at_first, told[:] = list(told), []

    assert [each.name for each in first] == [name]
    assert any("1 of 1 jars" in line for line in told_at_first)
    assert kafka_jars(tmp_path / "kafka", told.append) == first
    assert told == []


def test_half_a_jar_is_downloaded_again(tmp_path: Path, jar: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = jar.replace(b"x" * 10, b"y" * 10, 1)
    offer(monkeypatch, StandIn(tmp_path, f"kafka-clients-{KAFKA_VERSION}.jar", jar[:-30], damaged, jar))

    found = kafka_jars(tmp_path / "kafka")

    assert found[0].read_bytes() == jar


def test_without_a_network_it_says_so_and_nothing_half_is_kept(
    tmp_path: Path, jar: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kafka-clients-{KAFKA_VERSION}.jar"
    offer(monkeypatch, StandIn(tmp_path, "scala.jar", jar), StandIn(tmp_path, name, None, None, None))
    with pytest.raises(JarsUnavailable, match=r"no route to host.*KAFKA_BOOTSTRAP_SERVERS"):
        kafka_jars(tmp_path / "kafka")

    offer(monkeypatch, StandIn(tmp_path, name, jar))

    assert [each.name for each in kafka_jars(tmp_path / "kafka")] == [name]


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
