import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive_place import Place, seaweedfs_place, users_place
from clickstream_local.archive_settings import is_default, write_settings

OURS = seaweedfs_place(8333, 8181)


def kafka(bootstrap_servers: str) -> KafkaSettings:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
    return read_settings(KafkaSettings, prog="", description="", argv=[], environ=environ)


def sourced(tmp_path: Path, place: Place, bootstrap_servers: str, exported: Mapping[str, str]) -> dict[str, str]:
    """The environment of a shell that had these variables and has read the file."""
    file = tmp_path / "archive" / "settings.env"
    write_settings(file, place, kafka(bootstrap_servers))
    environ = {"PATH": os.environ["PATH"], **exported}
    output = subprocess.check_output(["sh", "-c", '. "$0" && env', file], env=environ, text=True)
    return dict(line.split("=", 1) for line in output.splitlines())


@pytest.mark.parametrize(
    ("place", "bootstrap_servers", "expected"),
    [
        (OURS, "127.0.0.1:9092", True),
        (OURS, "localhost:9092", True),
        (OURS, "127.0.0.1:19092", False),
        (OURS, "kafka.example.com:9092", False),
        (seaweedfs_place(8334, 8181), "127.0.0.1:9092", False),
    ],
)
def test_the_command_line_needs_no_settings_only_where_place_and_kafka_are_the_usual(
    place: Place, bootstrap_servers: str, expected: bool
) -> None:
    assert is_default(place, kafka(bootstrap_servers)) is expected


def test_settings_env_names_the_place_and_its_kafka_and_only_the_user_reads_it(tmp_path: Path) -> None:
    found = sourced(tmp_path, users_place("file:///data/my archive", {}), "127.0.0.1:19092", {})

    assert found["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:19092"
    assert found["CATALOG_TYPE"] == "hadoop"
    assert found["WAREHOUSE"] == "file:///data/my archive"
    assert stat.S_IMODE((tmp_path / "archive" / "settings.env").stat().st_mode) == 0o600


def test_settings_env_has_the_credential_alone_where_a_file_with_it_was_exported(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("id:word")
    exported = {"CATALOG_URI": "http://catalog", "CATALOG_CREDENTIAL_FILE": str(file)}

    found = sourced(tmp_path, users_place("s3://bucket", exported), "127.0.0.1:9092", exported)

    assert found["CATALOG_CREDENTIAL"] == "id:word"
    assert "CATALOG_CREDENTIAL_FILE" not in found
