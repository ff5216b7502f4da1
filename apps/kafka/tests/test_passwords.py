"""A password file is read again at each login of both libraries."""

import logging
from pathlib import Path

import pytest
from aiokafka import conn
from kafka.net.sasl import get_sasl_mechanism
from kstreams.backends.kafka import Kafka

from clickstream_core.settings import read_settings
from clickstream_kafka.passwords import Password
from clickstream_kafka.patches import aiokafka_password, kafka_python_password
from clickstream_kafka.settings import KafkaSettings


@pytest.fixture(autouse=True)
def _patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "SaslPlainAuthenticator", conn.SaslPlainAuthenticator)
    aiokafka_password.apply()
    kafka_python_password.apply()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("first\n")
    return file


def settings(file: Path, mechanism: str) -> KafkaSettings:
    return read_settings(
        KafkaSettings,
        prog="app",
        description="",
        argv=[],
        environ={
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": mechanism,
            "KAFKA_SASL_USERNAME": "user",
            "KAFKA_SASL_PASSWORD_FILE": str(file),
        },
    )


def test_kafka_python_scram_takes_the_new_password(file: Path) -> None:
    config = settings(file, "SCRAM-SHA-512").kafka_python_config()
    mechanism = get_sasl_mechanism("SCRAM-SHA-512")
    assert mechanism(**config)._scram_client.password == b"first"
    file.write_text("second\n")
    assert mechanism(**config)._scram_client.password == b"second"


def test_kafka_python_plain_takes_the_new_password(file: Path) -> None:
    config = settings(file, "PLAIN").kafka_python_config()
    assert get_sasl_mechanism("PLAIN")(**config).auth_bytes() == b"user\0user\0first"
    file.write_text("second")
    assert get_sasl_mechanism("PLAIN")(**config).auth_bytes() == b"user\0user\0second"


@pytest.mark.parametrize(
    ("mechanism", "first", "second"),
    [("SCRAM-SHA-256", b"first", b"second"), ("PLAIN", b"user\0user\0first", b"user\0user\0second")],
)
async def test_aiokafka_and_kstreams_take_the_new_password(
    file: Path, mechanism: str, first: bytes, second: bytes
) -> None:
    config = settings(file, mechanism).aiokafka_config()
    backend = Kafka(**config)
    backend.sasl_plain_password = config["sasl_plain_password"]
    handed_on = backend.to_dict()  # type: ignore[no-untyped-call]
    login = {name: value for name, value in handed_on.items() if name.startswith("sasl_")}

    async def log_in() -> bytes:
        connection = conn.AIOKafkaConnection("localhost", 9092, **login)
        if mechanism == "PLAIN":
            sent, _ = await connection.authenticator_plain().step(None)
            return bytes(sent)
        return bytes(connection.authenticator_scram()._sasl_plain_password)

    assert await log_in() == first
    file.write_text("second\r\n")  # noqa: ASYNC240 - a few bytes
    assert await log_in() == second


def test_a_password_given_as_text_stays(file: Path) -> None:
    password = Password("fixed")
    file.write_text("second")
    assert (password.encode(), password.current(), password) == (b"fixed", "fixed", "fixed")


def test_a_file_that_vanishes_leaves_the_last_password_and_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    password = Password.from_file(file)
    file.write_text("second")
    assert password.encode() == b"second"
    file.unlink()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert password.encode() == b"second"
        (record,) = caplog.records
        assert "No such file or directory); using the previous password" in record.getMessage()
        file.write_text("third")
        assert password.encode() == b"third"
        file.write_text("")
        assert password.encode() == b"third"
    assert len(caplog.records) == 2


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_a_password_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match="expected a file with a password"):
        Password.from_file(file)


def test_only_the_line_end_is_cut_off(file: Path) -> None:
    file.write_text("  pass word \n")
    assert Password.from_file(file).encode() == b"  pass word "


def test_a_password_does_not_show_itself() -> None:
    assert repr({"password": Password("secret")}) == "{'password': '***'}"
