"""Where the archive is, and the settings that all commands share; a command's own are beside it."""

import re
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, matching, setting, setting_of, switch, text
from clickstream_kafka.settings import KafkaSettings, TopicSettings

LOCAL_CATALOG = "http://127.0.0.1:8181"
LOCAL_S3 = "http://127.0.0.1:8333"
LOCAL_KEY, LOCAL_SECRET = "clickstream", "clickstream-local"
"""What `./setup.sh --local --archive` starts, on this machine only."""

_CREDENTIAL = "KEY:SECRET"


def warehouse(value: str) -> str:
    """`s3://bucket/path`, `hdfs://host:port/path`, or a folder; without a slash at the end."""
    place = value.strip().rstrip("/")
    if re.fullmatch(r"(s3|hdfs)://[^/\s]+(/[^\s]*)?", place) or re.fullmatch(r"file://(/[^/].*)", place):
        return place
    if place and "://" not in place:
        return f"file://{Path(place).resolve()}"
    raise ValueError("expected s3://BUCKET, hdfs://HOST:PORT/PATH or a folder")


def _credential(value: str) -> str:
    if re.fullmatch(r"[^:\s]+:\S+", value) is None:
        raise ValueError(f"expected {_CREDENTIAL}")
    return value


def _credential_file(value: str) -> str:
    try:
        return _credential(Path(value).read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ValueError(f"expected a file with {_CREDENTIAL} ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"expected a file with {_CREDENTIAL}") from error


def _s3_endpoint(value: str) -> str:
    if value.strip().lower() == "auto":
        return "auto"
    return matching(r"https?://[^/\s]+", "http://HOST:PORT, https://HOST, or auto")(value.strip().rstrip("/"))


@dataclass(frozen=True)
class CatalogSettings:
    """The Iceberg catalog and the storage of its tables. S3's keys are AWS's own variables, or what boto3 finds."""

    catalog_type: str = setting(
        "CATALOG_TYPE",
        parse=choice("rest", "glue", "hadoop"),
        default="rest",
        help="rest, glue (AWS), or hadoop: tables in a folder of HDFS or of this machine, without a service",
    )
    catalog_uri: str = setting(
        "CATALOG_URI",
        parse=matching(r"https?://[^\s]+", "an address, http://HOST:PORT or https://HOST"),
        default=LOCAL_CATALOG,
        help="address of a REST catalog",
    )
    warehouse: str = setting(
        "WAREHOUSE",
        parse=warehouse,
        default="s3://clickstream-archive",
        help="s3://BUCKET/PATH, hdfs://HOST:PORT/PATH, or a folder",
    )
    catalog_credential: str | None = setting(
        "CATALOG_CREDENTIAL",
        parse=_credential,
        help=f"{_CREDENTIAL} for a REST catalog; other users of the machine can see a flag",
    )
    catalog_credential_file: str | None = setting(
        "CATALOG_CREDENTIAL_FILE", parse=_credential_file, help=f"file with {_CREDENTIAL}"
    )
    s3_endpoint: str = setting(
        "S3_ENDPOINT",
        parse=_s3_endpoint,
        default="auto",
        help=f"http://HOST:PORT of an S3; auto is {LOCAL_S3} with the default catalog, else Amazon's",
    )
    s3_region: str = setting("S3_REGION", parse=text, default="us-east-1", help="region of the bucket")

    @property
    def is_local(self) -> bool:
        """Whether this is the catalog that `./setup.sh --local --archive` starts."""
        return self.catalog_type == "rest" and self.catalog_uri == LOCAL_CATALOG

    @property
    def credential(self) -> str | None:
        """KEY:SECRET for the REST catalog."""
        local = f"{LOCAL_KEY}:{LOCAL_SECRET}" if self.is_local else None
        return self.catalog_credential or self.catalog_credential_file or local

    @property
    def s3_address(self) -> str | None:
        """The S3 endpoint; None is Amazon's."""
        if self.s3_endpoint != "auto":
            return self.s3_endpoint
        return LOCAL_S3 if self.is_local else None

    def validate(self) -> None:
        """Raise SettingsError for combinations of which a part would have no effect."""
        if self.catalog_credential and self.catalog_credential_file:
            raise SettingsError("CATALOG_CREDENTIAL and CATALOG_CREDENTIAL_FILE are both set: expected one of the two")
        scheme = self.warehouse.partition("://")[0]
        if self.catalog_type == "hadoop" and scheme == "s3":
            raise SettingsError(
                f"WAREHOUSE={self.warehouse}: expected hdfs:// or a folder with CATALOG_TYPE=hadoop; S3 can't rename"
                " atomically, so it needs a rest or glue catalog"
            )
        if self.catalog_type == "glue" and scheme != "s3":
            raise SettingsError(f"WAREHOUSE={self.warehouse}: expected s3://BUCKET/PATH with CATALOG_TYPE=glue")


@dataclass(frozen=True)
class OutputSettings:
    """What becomes of a command's result besides being printed."""

    as_json: bool = switch("JSON", help="print the result as JSON", flag="--json")
    record: bool = switch(
        "RECORD",
        help="add the result to the archive's table runs, which serve shows as metrics",
    )


@dataclass(frozen=True)
class ArchiveSettings:
    """What all commands of `clickstream-archive` share."""

    catalog: CatalogSettings
    kafka: KafkaSettings
    service: ServiceSettings
    events_topic: str = setting_of(TopicSettings, "events_topic")
    metrics_topic: str = setting_of(TopicSettings, "metrics_topic")
    dead_letter_topic: str = setting_of(TopicSettings, "dead_letter_topic")
    group_id: str | None = setting(
        "GROUP_ID", parse=text, help="verify only the results of the processor with this GROUP_ID; without it, of all"
    )
