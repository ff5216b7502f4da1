"""TLS and mTLS: what the settings refuse, handshakes with servers that ask for a client certificate, renewed files."""

import asyncio
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography.x509 import load_pem_x509_certificate
from kafka.net.transport import KafkaSSLTransport
from kstreams.backends.kafka import Kafka

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_kafka.tls import RenewedContext


@pytest.fixture
def tls_port(certificates: Path) -> Iterator[int]:
    """A server that answers its client's certificate name; only clients whose certificate the CA signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(10)
        with connection, context.wrap_socket(connection, server_side=True) as encrypted:
            certificate = encrypted.getpeercert()
            assert certificate is not None
            encrypted.sendall(repr(certificate["subject"]).encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        yield listener.getsockname()[1]
        server.join(10)


def tls_settings(**environ: object) -> KafkaSettings:
    return read_settings(
        KafkaSettings,
        prog="app",
        description="",
        argv=[],
        environ={"KAFKA_SECURITY_PROTOCOL": "SSL", **{name: str(value) for name, value in environ.items()}},
    )


def mutual_tls(certificates: Path) -> KafkaSettings:
    return tls_settings(
        KAFKA_SSL_CAFILE=certificates / "ca.crt",
        KAFKA_SSL_CERTFILE=certificates / "client.crt",
        KAFKA_SSL_KEYFILE=certificates / "client.key",
    )


async def test_aiokafkas_context_presents_the_client_certificate(certificates: Path) -> None:
    context = mutual_tls(certificates).aiokafka_config()["ssl_context"]
    assert await answer(context, certificates) == serial_number(certificates)


def test_kafka_pythons_context_presents_the_client_certificate(certificates: Path, tls_port: int) -> None:
    config = mutual_tls(certificates).kafka_python_config()
    context = KafkaSSLTransport._build_ssl_context(config)
    with (
        socket.create_connection(("127.0.0.1", tls_port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted,
    ):
        assert b"client" in encrypted.recv(1000)


def test_a_server_that_the_ca_did_not_sign_is_refused(certificates: Path) -> None:
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context = tls_settings().ssl_context()
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = context.wrap_bio(client, server, server_hostname="127.0.0.1")
    answering = listening.wrap_bio(server, client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        calling.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        answering.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        calling.do_handshake()


def test_a_ca_file_is_optional_and_the_host_name_is_checked() -> None:
    context = tls_settings().ssl_context()
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_SSL_CAFILE=/no/ca\.crt: .*No such file"):
        tls_settings(KAFKA_SSL_CAFILE="/no/ca.crt")


def test_a_ca_file_without_certificates_is_named(certificates: Path) -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_SSL_CAFILE=.*client\.key: .*CA certificates"):
        tls_settings(KAFKA_SSL_CAFILE=certificates / "client.key")


@pytest.mark.parametrize(
    ("given", "missing"),
    [("KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"), ("KAFKA_SSL_KEYFILE", "KAFKA_SSL_CERTFILE")],
)
def test_a_certificate_and_its_key_belong_together(certificates: Path, given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        tls_settings(**{given: certificates / "client.crt"})


def test_an_encrypted_key_is_refused_instead_of_asking_the_terminal(certificates: Path) -> None:
    with pytest.raises(SettingsError, match="without passphrase .*encrypted"):
        tls_settings(
            KAFKA_SSL_CERTFILE=certificates / "client.crt", KAFKA_SSL_KEYFILE=certificates / "client-encrypted.key"
        )


@pytest.mark.parametrize("name", ["KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"])
def test_a_certificate_without_tls_is_refused(certificates: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} has no effect with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"):
        tls_settings(KAFKA_SECURITY_PROTOCOL="PLAINTEXT", **{name: certificates / "ca.crt"})


def hold_in_place(folder: Path, certificates: Path, shares: dict[str, float] | None = None) -> None:
    """Write the files as a careless person does: one after the other, and only a share of some."""
    for name in ("ca.crt", "client.crt", "client.key"):
        content = (certificates / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * (shares or {}).get(name, 1))])


not_whole = pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ({"ca.crt": 0}, r"KAFKA_SSL_CAFILE=.*ca\.crt: .*CA certificates \(ca\.crt is empty: write it again\)"),
        ({"ca.crt": 0.5}, r"KAFKA_SSL_CAFILE=.*ca\.crt: .*CA certificates \(ca\.crt is truncated: write it again\)"),
        ({"client.crt": 0.9}, r"KAFKA_SSL_CERTFILE=.*client\.crt, .*PEM .*client\.crt is truncated"),
        ({"client.key": 0}, r"KAFKA_SSL_KEYFILE=.*client\.key: .*PEM .*client\.key is empty"),
    ],
)


@not_whole
async def test_files_that_are_not_whole_at_the_start_are_waited_for(
    tmp_path: Path, certificates: Path, shares: dict[str, float], complaint: str
) -> None:
    hold_in_place(tmp_path, certificates, shares)
    settings = mutual_tls(tmp_path)
    context = settings.aiokafka_config()["ssl_context"]
    for _ in range(2):
        with pytest.raises(SettingsError, match=complaint):
            settings.kafka_python_config()
        with pytest.raises(ssl.SSLError, match=complaint):
            new_connection(context)
    hold_in_place(tmp_path, certificates)
    assert settings.kafka_python_config()["ssl_context"] is context
    assert await answer(context, certificates) == serial_number(certificates)


def test_a_key_of_another_certificate_is_waited_for_because_only_one_of_the_two_may_have_been_renewed(
    tmp_path: Path, certificates: Path, other_certificates: Path
) -> None:
    hold_in_place(tmp_path, certificates)
    (tmp_path / "client.crt").write_bytes((other_certificates / "client.crt").read_bytes())
    settings = mutual_tls(tmp_path)
    with pytest.raises(SettingsError, match=r"KAFKA_SSL_KEYFILE=.* \(the key belongs to another .*KEY_VALUES_MISMATCH"):
        settings.kafka_python_config()
    hold_in_place(tmp_path, other_certificates)
    assert settings.kafka_python_config()


async def test_kafka_python_connects_with_what_it_had_while_a_file_is_not_whole(
    tmp_path: Path, certificates: Path, other_certificates: Path, tls_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    hold_in_place(tmp_path, certificates)
    settings = mutual_tls(tmp_path)
    settings.kafka_python_config()
    hold_in_place(tmp_path, other_certificates, {"client.key": 0.5})
    context = KafkaSSLTransport._build_ssl_context(settings.kafka_python_config())
    with (
        socket.create_connection(("127.0.0.1", tls_port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted,
    ):
        assert b"client" in encrypted.recv(1000)
    (record,) = caplog.records
    assert re.search(r"client\.key is truncated: .*; using the previous certificates", record.getMessage())
    hold_in_place(tmp_path, other_certificates)
    assert await answer(context, other_certificates) == serial_number(other_certificates)


Run = Callable[[Coroutine[Any, Any, None]], None]
both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


class Mounted:
    """A folder whose files are replaced as Kubernetes does it: a link between them and their names is swapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ca.crt", "client.crt", "client.key"):
            (folder / name).symlink_to(folder / "data" / name)

    def hold(self, certificates: Path) -> None:
        (self.folder / "next").symlink_to(certificates)
        (self.folder / "next").replace(self.folder / "data")


@pytest.fixture
def mounted(tmp_path: Path, certificates: Path) -> Mounted:
    mounted = Mounted(tmp_path)
    mounted.hold(certificates)
    return mounted


async def answer(context: ssl.SSLContext, certificates: Path, host: str = "127.0.0.1") -> int:
    """The number of the client's certificate, as a server with these certificates sees it."""
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    listening.load_verify_locations(certificates / "ca.crt")
    listening.verify_mode = ssl.CERT_REQUIRED

    def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("peercert")["serialNumber"].encode())
        writer.close()

    async with await asyncio.start_server(tell, "127.0.0.1", 0, ssl=listening) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
        try:
            return int(await reader.read(), 16)
        finally:
            writer.close()


def serial_number(certificates: Path) -> int:
    return load_pem_x509_certificate((certificates / "client.crt").read_bytes()).serial_number


@both_loops
def test_renewed_files_are_used_at_the_next_connection_and_the_old_ca_is_trusted_no_more(
    run: Run, mounted: Mounted, certificates: Path, other_certificates: Path
) -> None:
    context = mutual_tls(mounted.folder).aiokafka_config()["ssl_context"]

    async def scenario() -> None:
        assert await answer(context, certificates) == serial_number(certificates)
        with pytest.raises(ssl.SSLCertVerificationError):
            await answer(context, other_certificates)
        mounted.hold(other_certificates)
        assert await answer(context, other_certificates) == serial_number(other_certificates)
        with pytest.raises(ssl.SSLCertVerificationError):
            await answer(context, certificates)

    run(scenario())


@both_loops
def test_the_host_name_is_checked_after_a_renewal_too(
    run: Run, mounted: Mounted, certificates: Path, other_certificates: Path
) -> None:
    context = mutual_tls(mounted.folder).aiokafka_config()["ssl_context"]

    async def scenario() -> None:
        for present in (certificates, other_certificates):
            mounted.hold(present)
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await answer(context, present, "another.example")

    run(scenario())


def test_a_file_that_is_written_to_is_read_again(tmp_path: Path, certificates: Path, other_certificates: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes((certificates / "ca.crt").read_bytes())
    context = tls_settings(KAFKA_SSL_CAFILE=ca).aiokafka_config()["ssl_context"]
    first, again = new_connection(context), new_connection(context)
    assert first.context is again.context
    ca.write_bytes((certificates / "ca.crt").read_bytes() + (other_certificates / "ca.crt").read_bytes())
    assert len(first.context.get_ca_certs()) == 1
    assert len(new_connection(context).context.get_ca_certs()) == 2


def new_connection(context: ssl.SSLContext) -> ssl.SSLObject:
    return context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"ca.crt": None}, r"KAFKA_SSL_CAFILE=.*ca\.crt: .*No such file"),
        ({"ca.crt": 0.5}, r"KAFKA_SSL_CAFILE=.*ca\.crt: .*CA certificates"),
        ({"client.crt": 0.5}, r"KAFKA_SSL_CERTFILE=.*client\.crt, .*PEM"),
        ({"client.key": 0}, r"KAFKA_SSL_KEYFILE=.*client\.key: .*PEM"),
    ],
)
async def test_files_that_are_broken_are_named_once_and_tried_again_while_the_old_ones_serve(
    broken: dict[str, float | None],
    complaint: str,
    mounted: Mounted,
    certificates: Path,
    other_certificates: Path,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path_factory.mktemp("broken")
    for name in ("ca.crt", "client.crt", "client.key"):
        content = (other_certificates / name).read_bytes()
        share = broken.get(name, 1)
        if share is not None:
            (folder / name).write_bytes(content[: int(len(content) * share)])
    context = mutual_tls(mounted.folder).aiokafka_config()["ssl_context"]

    with caplog.at_level(logging.WARNING, "clickstream_kafka"):
        mounted.hold(folder)
        for _ in range(2):
            assert await answer(context, certificates) == serial_number(certificates)
        mounted.hold(other_certificates)
        assert await answer(context, other_certificates) == serial_number(other_certificates)
    (record,) = caplog.records
    assert re.search(complaint + r".*; using the previous certificates", record.getMessage())


def test_files_that_could_not_be_used_are_tried_again_before_they_change(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    first, second = tls_settings().ssl_context(), tls_settings().ssl_context()
    built: list[ssl.SSLContext | SettingsError] = [first, SettingsError("not allowed to read it"), second]

    def build() -> ssl.SSLContext:
        if isinstance(outcome := built.pop(0), SettingsError):
            raise outcome
        return outcome

    context = RenewedContext(build, [file])
    file.touch()
    assert [new_connection(context).context for _ in range(3)] == [first, second, second]


def test_kstreams_hands_the_same_context_on(certificates: Path) -> None:
    config = mutual_tls(certificates).aiokafka_config()
    handed_on = Kafka(**config).to_dict()  # type: ignore[no-untyped-call]
    assert handed_on["ssl_context"] is config["ssl_context"]
