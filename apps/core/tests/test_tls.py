"""TLS and mTLS: what the settings refuse, and handshakes with a server that asks for a client certificate."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.net.transport import KafkaSSLTransport

from clickstream_core.errors import SettingsError
from clickstream_core.kafka import KafkaSettings
from clickstream_core.settings import read_settings


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


def handshake(context: ssl.SSLContext, port: int) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted,
    ):
        return encrypted.recv(1000)


def test_aiokafkas_context_presents_the_client_certificate(certificates: Path, tls_port: int) -> None:
    config = mutual_tls(certificates).aiokafka_config()
    assert b"client" in handshake(config["ssl_context"], tls_port)


def test_kafka_pythons_files_present_the_client_certificate(certificates: Path, tls_port: int) -> None:
    config = mutual_tls(certificates).kafka_python_config()
    files = {name: config.get(name) for name in KafkaSSLTransport.DEFAULT_CONFIG}
    context = KafkaSSLTransport._build_ssl_context(files | {"ssl_check_hostname": True})
    assert b"client" in handshake(context, tls_port)


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


def test_a_key_of_another_certificate_is_refused(certificates: Path) -> None:
    with pytest.raises(SettingsError, match="KAFKA_SSL_KEYFILE=.*KEY_VALUES_MISMATCH"):
        tls_settings(KAFKA_SSL_CERTFILE=certificates / "client.crt", KAFKA_SSL_KEYFILE=certificates / "server.key")


def test_an_encrypted_key_is_refused_instead_of_asking_the_terminal(certificates: Path) -> None:
    with pytest.raises(SettingsError, match="without passphrase .*encrypted"):
        tls_settings(
            KAFKA_SSL_CERTFILE=certificates / "client.crt", KAFKA_SSL_KEYFILE=certificates / "client-encrypted.key"
        )


@pytest.mark.parametrize("name", ["KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"])
def test_a_certificate_without_tls_is_refused(certificates: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} has no effect with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"):
        tls_settings(KAFKA_SECURITY_PROTOCOL="PLAINTEXT", **{name: certificates / "ca.crt"})
