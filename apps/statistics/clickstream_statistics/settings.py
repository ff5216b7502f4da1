"""The settings of the statistics and of the copy. Durations are in milliseconds."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clickstream_core.errors import SettingsError
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import duration, matching, path, setting, switch, text
from clickstream_kafka.settings import KafkaSettings, topic_name

APP = "clickstream-statistics"
_PLACES = "s3a://BUCKET/PREFIX, hdfs://HOST:8020/PATH or a folder"
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")


def place(value: str) -> str:
    """Where Parquet lies, as Hadoop writes it: `s3a://…`, `hdfs://…` or `file:///…`; without a slash at the end."""
    given = re.sub(r"^s3n?://", "s3a://", value.strip()).rstrip("/")
    if re.fullmatch(r"s3a://[^/\s?#]+(/[^\s?#]*)?|hdfs://[^/\s?#]+/[^\s?#]+|file:///[^\s].*", given):
        return given
    if given and "://" not in value:
        return f"file://{Path(given).resolve()}"
    raise ValueError(f"expected {_PLACES}")


def s3_endpoint(value: str) -> str:
    """`http://HOST:PORT`, `https://HOST`, or auto."""
    if value.strip().lower() == "auto":
        return "auto"
    return matching(r"https?://[^/\s]+", "http://HOST:PORT, https://HOST, or auto")(value.strip().rstrip("/"))


def folder(value: str) -> Path:
    """A folder that exists."""
    found = Path(value)
    if not found.is_dir():
        raise ValueError("expected a folder that exists")
    return found.resolve()


@dataclass(frozen=True)
class SparkSettings:
    """Where Spark runs, and what it brings along."""

    master: str = setting(
        "SPARK_MASTER",
        parse=matching(
            r"local(\[(\d+|\*)(,\d+)?\])?|local-cluster\[\d+,\d+,\d+\]|spark://\S+|k8s://\S+|yarn",
            "local[CORES], k8s://https://HOST:PORT, spark://HOST:7077 or yarn",
        ),
        default="local[2]",
        help="local[CORES], k8s://https://HOST:PORT (executors are pods), spark://HOST:7077 or yarn",
    )
    conf_file: Path | None = setting(
        "SPARK_CONF_FILE", parse=path, help="file with more of Spark's options, `name value` or `name=value` in a line"
    )
    jars: Path | None = setting(
        "SPARK_JARS",
        parse=folder,
        help="folder with the jars for Kafka and S3, as python -m clickstream_local.jars --spark FOLDER fetches them;"
        " without it Spark's own installation must have them",
    )


@dataclass(frozen=True)
class StorageSettings:
    """Access to S3, with AWS's own AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and where progress is kept."""

    s3_endpoint: str = setting(
        "S3_ENDPOINT", parse=s3_endpoint, default="auto", help="http://HOST:PORT of an S3; auto is Amazon's"
    )
    s3_region: str = setting("S3_REGION", parse=text, default="us-east-1", help="region of the bucket")
    checkpoints_to: str | None = setting(
        "CHECKPOINTS_TO",
        parse=place,
        help=f"where progress and counts are kept, {_PLACES}; default: _checkpoints in the place of the Parquet",
    )


@dataclass(frozen=True)
class QuerySettings:
    """How the topic is read."""

    trigger_interval: int = setting(
        "TRIGGER_INTERVAL",
        parse=duration(minimum="1s", maximum="1h"),
        default="5s",
        help="how often a batch begins, and Redis is written",
    )
    skip_lost: bool = switch(
        "SKIP_LOST",
        help="go on after records that Kafka deleted before they were read; without it that ends the job",
    )


@dataclass(frozen=True)
class RedisSettings:
    """Where Redis is. The address may have a password, so no message shows it."""

    url: str | None = setting(
        "REDIS_URL", parse=text, help="Redis or Valkey: redis://HOST:6379/0, or rediss:// for TLS"
    )
    password_file: Path | None = setting(
        "REDIS_PASSWORD_FILE",
        parse=path,
        help="file with the password of Redis, read again for each connection; default: the one in REDIS_URL",
    )

    def validate(self) -> None:
        """Raise SettingsError when the address can't be used."""
        if self.url is not None and not _is_redis(self.url):
            raise SettingsError(
                "REDIS_URL (not shown, it may have a password): expected redis://HOST:6379/0 or rediss://HOST:6379/0"
            )


@dataclass(frozen=True)
class StatisticsSettings:
    """What a user can set for the statistics; `results_to` and Redis are required."""

    kafka: KafkaSettings
    spark: SparkSettings
    storage: StorageSettings
    query: QuerySettings
    redis: RedisSettings
    service: ServiceSettings
    scenario_results_topic: str = setting(
        "SCENARIO_RESULTS_TOPIC",
        parse=topic_name,
        default="clickstream-scenario-results",
        help="topic of the scenarios' results",
    )
    results_to: str | None = setting("RESULTS_TO", parse=place, help=f"where the results go as Parquet: {_PLACES}")

    def required(self) -> str:
        """Return the place. Raises SettingsError for what is missing."""
        if self.results_to is None:
            raise SettingsError(f"RESULTS_TO is not set: expected {_PLACES}")
        if self.redis.url is None:
            raise SettingsError("REDIS_URL is not set: expected redis://HOST:6379/0 or rediss://HOST:6379/0")
        return self.results_to


@dataclass(frozen=True)
class CopySettings:
    """What a user can set for the copy; both `topic` and `to` are required."""

    kafka: KafkaSettings
    spark: SparkSettings
    storage: StorageSettings
    query: QuerySettings
    service: ServiceSettings
    topic: str | None = setting("COPY_TOPIC", parse=topic_name, flag="--topic", help="the topic to copy")
    to: str | None = setting("COPY_TO", parse=place, flag="--to", help=f"where its records go as Parquet: {_PLACES}")

    def required(self) -> tuple[str, str]:
        """Return topic and place. Raises SettingsError for what is missing."""
        if self.topic is None:
            raise SettingsError("--topic is missing: expected the topic to copy")
        if self.to is None:
            raise SettingsError(f"--to is missing: expected {_PLACES}")
        return self.topic, self.to


def _is_redis(url: str) -> bool:
    try:
        parsed = urlsplit(url)
        return parsed.scheme in _REDIS and bool(parsed.hostname or parsed.scheme == "unix") and parsed.port != 0
    except ValueError:
        return False
