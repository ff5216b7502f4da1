"""Settings from AWS Secrets Manager, so that no password is in a function's configuration.

`SECRET_ARNS` names one or several secrets, separated by commas. Each is a JSON object with some of these keys; the
first two are those of Amazon MSK's secrets:

    username, password     KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD
    visitor_secret         VISITOR_SECRET
    ca_certificate         the brokers' CA certificates in PEM, as a file: KAFKA_SSL_CAFILE

botocore, which has the credentials of the function's role, is in the Lambda image only.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clickstream_core.errors import SettingsError

_NAME = "SECRET_ARNS"
_SETTINGS = {"username": "KAFKA_SASL_USERNAME", "password": "KAFKA_SASL_PASSWORD", "visitor_secret": "VISITOR_SECRET"}
_CA = "ca_certificate"
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 3
_ATTEMPTS = 2  # within the 10 s that Lambda gives a start

Read = Callable[[str], str]


def secret_settings(environ: Mapping[str, str], folder: Path, read: Read | None = None) -> dict[str, str]:
    """Return the settings that the secrets of SECRET_ARNS hold; none without it. What `environ` has is left out.

    CA certificates are written to a file in `folder`. `read` returns the text of a secret by its ARN. Raises
    SettingsError, in one line without the secret's content, for a secret that can't be read or is none of these.
    """
    arns = [each.strip() for each in environ.get(_NAME, "").split(",") if each.strip()]
    if not arns:
        return {}
    read = read or _reader()
    found: dict[str, str] = {}
    for arn in arns:
        for key, value in _content(arn, read(arn)).items():
            if key == _CA:
                found["KAFKA_SSL_CAFILE"] = _written(value, folder)
            elif key in _SETTINGS:
                found[_SETTINGS[key]] = value
    return {name: value for name, value in found.items() if name not in environ}


def _content(arn: str, text: str) -> dict[str, str]:
    expected = f"expected a JSON object with some of {', '.join((*_SETTINGS, _CA))}"
    try:
        content: Any = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content.keys() & {*_SETTINGS, _CA}:
        raise SettingsError(f"{_NAME}={arn}: {expected}")
    wrong = [key for key in (*_SETTINGS, _CA) if not isinstance(content.get(key, "-"), str) or content.get(key) == ""]
    if wrong:
        raise SettingsError(f"{_NAME}={arn}: {wrong[0]} is no text: {expected}")
    return content


def _written(certificates: str, folder: Path) -> str:
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="ca-", suffix=".crt", delete=False) as file:
        file.write(certificates)
    return file.name


def _reader() -> Read:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import get_session

    limits = Config(
        connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, retries={"total_max_attempts": _ATTEMPTS}
    )

    def read(arn: str) -> str:
        try:
            client = get_session().create_client("secretsmanager", config=limits)
            secret = client.get_secret_value(SecretId=arn)
        except (BotoCoreError, ClientError) as error:
            words = " ".join(str(error).split())[:300]
            raise SettingsError(f"{_NAME}={arn}: can't be read: {words}") from error
        text: str = secret.get("SecretString", "")
        return text

    return read
