"""A real broker that asks who is there: TLS, client certificates, SCRAM and PLAIN, for both client libraries."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError

from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_aiokafka, apply_to_kafka_python
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.poll import eventually

LISTENERS = {"SCRAM": "SASL_SSL", "PLAIN": "SASL_SSL", "MUTUAL": "SSL"}
MODULE = "org.apache.kafka.common.security"


@pytest.fixture(scope="module", autouse=True)
def _patched() -> None:
    apply_to_aiokafka()
    apply_to_kafka_python()


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", *LISTENERS)}


@pytest.fixture(scope="module")
def store(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store") / "server.pem"
    fill(store, certificates)
    return store


def fill(store: Path, certificates: Path) -> None:
    store.write_bytes((certificates / "server.key").read_bytes() + (certificates / "server.crt").read_bytes())


@pytest.fixture(scope="module")
def secured(
    ports: dict[str, int],
    certificates: Path,
    store: Path,
    java: Path,
    jars: tuple[Path, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("secured")
    addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **LISTENERS}
    properties = {
        "listeners": addresses,
        "advertised.listeners": addresses,
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates / "ca.crt"),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{MODULE}.scram.ScramLoginModule required;",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": (
            f'{MODULE}.plain.PlainLoginModule required user_clickstream="plain secret";'
        ),
    }
    with Broker(folder, java=java, jars=jars, port=ports["PLAINTEXT"], properties=properties) as broker:
        yield broker


def settings(port: int, certificates: Path, **environ: object) -> KafkaSettings:
    return read_settings(
        KafkaSettings,
        prog="app",
        description="",
        argv=[],
        environ={
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CAFILE": str(certificates / "ca.crt"),
            **{name: str(value) for name, value in environ.items()},
        },
    )


def set_scram_password(broker: Broker, password: str) -> None:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("clickstream", ScramMechanism.SCRAM_SHA_512, password)]
        )


async def assert_both_libraries_connect(settings: KafkaSettings) -> None:
    with KafkaAdminClient(**settings.kafka_python_config()) as admin:
        assert isinstance(admin.list_topics(), list)
    other = AIOKafkaAdminClient(**settings.aiokafka_config())
    try:
        await other.start()
        assert isinstance(await other.list_topics(), list)
    finally:
        await other.close()


async def test_a_client_certificate_opens_the_door(secured: Broker, ports: dict[str, int], certificates: Path) -> None:
    assert secured.child.running
    await assert_both_libraries_connect(
        settings(
            ports["MUTUAL"],
            certificates,
            KAFKA_SECURITY_PROTOCOL="SSL",
            KAFKA_SSL_CERTFILE=certificates / "client.crt",
            KAFKA_SSL_KEYFILE=certificates / "client.key",
        )
    )


async def test_plain_logs_in(secured: Broker, ports: dict[str, int], certificates: Path) -> None:
    assert secured.child.running
    await assert_both_libraries_connect(
        settings(
            ports["PLAIN"],
            certificates,
            KAFKA_SASL_MECHANISM="PLAIN",
            KAFKA_SASL_USERNAME="clickstream",
            KAFKA_SASL_PASSWORD="plain secret",
        )
    )


async def test_clients_that_live_on_use_the_new_password_when_they_connect_again(
    secured: Broker, ports: dict[str, int], certificates: Path, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    set_scram_password(secured, "old")
    scram = settings(
        ports["SCRAM"],
        certificates,
        KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        KAFKA_SASL_USERNAME="clickstream",
        KAFKA_SASL_PASSWORD_FILE=file,
    )

    def change_password_and_restart() -> None:
        file.write_text("new\n")
        set_scram_password(secured, "new")
        secured.restart()

    await assert_both_libraries_live_on(scram, change_password_and_restart)


async def test_clients_that_live_on_trust_the_new_ca_when_they_connect_again(
    secured: Broker,
    store: Path,
    ports: dict[str, int],
    certificates: Path,
    other_certificates: Path,
    tmp_path: Path,
) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes((certificates / "ca.crt").read_bytes())
    plain = settings(
        ports["PLAIN"],
        tmp_path,
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="clickstream",
        KAFKA_SASL_PASSWORD="plain secret",
    )

    def replace_ca_and_restart() -> None:
        ca.write_bytes((other_certificates / "ca.crt").read_bytes())
        fill(store, other_certificates)
        secured.restart()

    try:
        await assert_both_libraries_live_on(plain, replace_ca_and_restart)
    finally:
        fill(store, certificates)
        secured.restart()


async def assert_both_libraries_live_on(settings: KafkaSettings, change_and_restart: Callable[[], None]) -> None:
    with KafkaAdminClient(**settings.kafka_python_config()) as admin:
        assert isinstance(admin.list_topics(), list)
        other = AIOKafkaAdminClient(**settings.aiokafka_config())
        try:
            await other.start()
            await other.list_topics()
            await asyncio.to_thread(change_and_restart)
            assert isinstance(await other.list_topics(), list)
        finally:
            await other.close()

        def lists_topics_again() -> bool:
            try:
                return isinstance(admin.list_topics(), list)
            except KafkaError as error:
                raise AssertionError(str(error)) from error

        assert eventually(lists_topics_again, 30)
