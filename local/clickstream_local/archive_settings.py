"""The file settings.env, with which `clickstream-archive` reads the archive that the launcher fills."""

import shlex
from pathlib import Path

from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive_place import CATALOG_PORT, S3_PORT, Place, seaweedfs_place


def is_default(place: Place, kafka: KafkaSettings) -> bool:
    """Whether `clickstream-archive` finds the place and Kafka without any settings."""
    usual = ("localhost:9092",), ("127.0.0.1:9092",)
    return kafka.bootstrap_servers in usual and place == seaweedfs_place(S3_PORT, CATALOG_PORT)


def write_settings(file: Path, place: Place, kafka: KafkaSettings) -> None:
    """Write shell commands that set where the archive and its Kafka are; only the user can read the file.

    How to log in to a Kafka of the user's is not among them: that stays in the user's environment.
    """
    settings = {**place.settings(), "KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka.bootstrap_servers)}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items() if value]
    if "CATALOG_CREDENTIAL" in settings:
        lines.insert(0, "unset CATALOG_CREDENTIAL_FILE\n")  # the credential may come from it, and both are an error
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join(lines), encoding="utf-8")
