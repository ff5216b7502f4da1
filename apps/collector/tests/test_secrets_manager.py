"""Settings from Secrets Manager: which keys, which files, and what is refused."""

import json
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from clickstream_collector.secrets_manager import secret_settings
from clickstream_core.errors import SettingsError

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kafka-a1b2c3"
OTHER = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:visitors-d4e5f6"


def settings(folder: Path, text: object, **environ: str) -> dict[str, str]:
    """The settings of one secret with this content."""
    content = text if isinstance(text, str) else json.dumps(text)
    return secret_settings({"SECRET_ARNS": ARN, **environ}, folder, lambda arn: content)


def test_without_secrets_there_are_no_settings_and_aws_is_not_asked(tmp_path: Path) -> None:
    for environ in ({}, {"SECRET_ARNS": ""}, {"SECRET_ARNS": " , "}):
        assert secret_settings(environ, tmp_path) == {}


def test_each_key_is_a_setting_and_certificates_are_a_file(tmp_path: Path) -> None:
    found = settings(
        tmp_path, {"username": "u", "password": "p", "visitor_secret": "v" * 16, "ca_certificate": "PEM\n", "port": 1}
    )

    assert Path(found.pop("KAFKA_SSL_CAFILE")).read_text(encoding="utf-8") == "PEM\n"
    assert found == {"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p", "VISITOR_SECRET": "v" * 16}


def test_several_secrets_are_joined_and_the_environment_wins(tmp_path: Path) -> None:
    texts = {ARN: '{"username": "u", "password": "p"}', OTHER: '{"visitor_secret": "v"}'}
    environ = {"SECRET_ARNS": f"{ARN}, {OTHER}", "KAFKA_SASL_USERNAME": "mine"}

    assert secret_settings(environ, tmp_path, texts.__getitem__) == {"KAFKA_SASL_PASSWORD": "p", "VISITOR_SECRET": "v"}


@pytest.mark.parametrize("text", ["", "secret", "[1]", '"text"', "{}", '{"user": "u"}'])
def test_a_secret_of_another_kind_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, text)

    expected = "expected a JSON object with some of username, password, visitor_secret, ca_certificate"
    assert str(error.value) == f"SECRET_ARNS={ARN}: {expected}"


@pytest.mark.parametrize("value", ["", None, 7, ["p"]])
def test_a_value_that_is_no_text_is_named_by_its_key(tmp_path: Path, value: object) -> None:
    with pytest.raises(SettingsError, match="password is no text"):
        settings(tmp_path, {"username": "u", "password": value})


def test_aws_is_asked_and_a_refusal_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "key")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="kafka", SecretString='{"username": "u"}')["ARN"]

        assert secret_settings({"SECRET_ARNS": arn}, tmp_path) == {"KAFKA_SASL_USERNAME": "u"}
        with pytest.raises(SettingsError, match=rf"SECRET_ARNS={OTHER}: can't be read: .*ResourceNotFoundException"):
            secret_settings({"SECRET_ARNS": OTHER}, tmp_path)
    finally:
        server.stop()


def test_a_secrets_manager_that_is_not_reached_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    with pytest.raises(SettingsError) as error:
        secret_settings({"SECRET_ARNS": ARN}, tmp_path)

    assert str(error.value).startswith(f"SECRET_ARNS={ARN}: can't be read: Could not connect to the endpoint URL")
    assert "\n" not in str(error.value)
