"""CA, certificate and key files that are not whole for a while, because they are written in place."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_local.ports import free_port
from kit.certificates import write_certificates
from kit.poll import eventually
from kit.processes import App, Apps
from kit.tls_kafka import TlsKafka
from kit.topics import create_topics, read_all

NAMES = ("ca.crt", "client.crt", "client.key")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificates(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificates(tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="module")
def kafka(
    first: Path, second: Path, java: Path, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsKafka]:
    with TlsKafka(tmp_path_factory.mktemp("tls"), first, second, java=java, jars=jars) as kafka:
        yield kafka


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    return mounted


@pytest.fixture
def settings(kafka: TlsKafka, mounted: Path) -> dict[str, str]:
    return create_topics(kafka.broker.bootstrap_servers).environ | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CAFILE": str(mounted / "ca.crt"),
        "KAFKA_SSL_CERTFILE": str(mounted / "client.crt"),
        "KAFKA_SSL_KEYFILE": str(mounted / "client.key"),
    }


def write(mounted: Path, certificates: Path, *, shares: dict[str, float] | None = None) -> None:
    """Write the three files in place, or only a share of one."""
    for name in NAMES:
        content = (certificates / name).read_bytes()
        (mounted / name).write_bytes(content[: int(len(content) * (shares or {}).get(name, 1))])


def start_all(apps: Apps, settings: dict[str, str]) -> list[App]:
    public, admin = free_port(), free_port()
    collector = apps.start("clickstream_collector.main", environ=settings, HTTP_PORT=str(public), ADMIN_PORT=str(admin))
    return [
        apps.start("clickstream_producer.main", environ=settings),
        apps.start("clickstream_streams.main", environ=settings),
        apps.start("clickstream_consumer.main", environ=settings | {"GROUP_ID": f"{settings['GROUP_ID']}-consumer"}),
        App(collector.child, collector.log, admin),
    ]


def expect_to_wait(app: App, complaint: str) -> None:
    """It must say what is wrong, be not ready, and live."""
    app.wait_for_output(complaint)
    # A processor with nothing to commit notices at its next record for the brokers' time, a minute after the last one.
    eventually(lambda: app.get("/readyz")[0] == 503, 90)
    assert app.get("/healthz")[0] == 200
    assert "Traceback" not in app.output(), app.describe()


def test_half_a_ca_is_waited_for_until_it_is_whole(
    kafka: TlsKafka, apps: Apps, first: Path, second: Path, mounted: Path, settings: dict[str, str]
) -> None:
    kafka.restart_with(first)
    write(mounted, first)
    started = start_all(apps, settings)
    for app in started:
        app.wait_until_ready(60)
    write(mounted, second, shares={"ca.crt": 0.5})
    kafka.restart_with(second)
    for app in started:
        expect_to_wait(app, f"KAFKA_SSL_CAFILE={mounted}/ca.crt: expected a PEM file with CA certificates")
    write(mounted, second)
    for app in started:
        app.wait_until_ready(90)
    for app in started:
        app.stop()
        assert "Traceback" not in app.output(), app.describe()
    events = read_all(kafka.broker.bootstrap_servers, settings["EVENTS_TOPIC"])
    ids = [json.loads(event.value or b"")["event_id"] for event in events]
    assert f"Events sent:  {len(set(ids))}\n" in started[0].output()
    assert len(set(ids)) == len(ids) > 0


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ({"ca.crt": 0.5}, "KAFKA_SSL_CAFILE={}/ca.crt: expected a PEM file with CA certificates"),
        ({"client.key": 0}, "KAFKA_SSL_KEYFILE={}/client.key: expected a PEM certificate and its PEM key"),
    ],
)
def test_files_that_are_not_whole_at_the_start_are_waited_for(
    kafka: TlsKafka,
    apps: Apps,
    first: Path,
    mounted: Path,
    settings: dict[str, str],
    shares: dict[str, float],
    complaint: str,
) -> None:
    kafka.restart_with(first)
    write(mounted, first, shares=shares)
    started = start_all(apps, settings)
    for app in started:
        expect_to_wait(app, complaint.format(mounted))
    write(mounted, first)
    for app in started:
        app.wait_until_ready(60)
        app.stop()
