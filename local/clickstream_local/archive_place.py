"""Where `./setup.sh --local --archive` puts the archive, and which Iceberg catalog belongs to that place.

Without `--archive-to` it is SeaweedFS on this machine: S3 and a REST catalog. A bucket of the user's needs a catalog:
the REST catalog that CATALOG_URI names, else AWS Glue. HDFS and folders need none (the hadoop catalog): their renames
are atomic.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError

BUCKET = "clickstream-archive"
LOCAL_WAREHOUSE = f"s3://{BUCKET}"
S3_PORT, CATALOG_PORT = 8333, 8181
LOCAL_KEY, LOCAL_SECRET = "clickstream", "clickstream-local"
"""Of SeaweedFS, which only this machine reaches; the defaults of `clickstream-archive` too."""

_EXPECTED = "expected s3://BUCKET/PREFIX, hdfs://HOST:PORT/PATH or a folder"


@dataclass(frozen=True)
class Place:
    """A warehouse (s3://…, hdfs://… or file:///…), its kind of catalog, and what Kafka Connect finds it with.

    `environ` are variables that the connector's configuration refers to; `clickstream-archive` has the same settings.
    `own` is the SeaweedFS that the launcher starts.
    """

    warehouse: str
    catalog: str
    environ: Mapping[str, str]
    own: bool = False

    @property
    def scheme(self) -> str:
        """The storage: s3, hdfs or file."""
        return self.warehouse.partition("://")[0]

    def settings(self) -> dict[str, str]:
        """Return the settings with which `clickstream-archive` reads this archive."""
        return {"CATALOG_TYPE": self.catalog, **self.environ}


def warehouse(value: str) -> str:
    """Return the address of a place without a slash at its end. Raises ValueError."""
    place = value.strip().rstrip("/")
    if "://" not in value:
        if not place:
            raise ValueError(_EXPECTED)
        return f"file://{Path(place).resolve()}"
    s3 = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]+)?"
    hdfs = r"hdfs://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[^\s?#]+)?"
    if re.fullmatch(f"{s3}|{hdfs}", place) or re.fullmatch(r"file://(/[^/].*)", place):
        return place
    raise ValueError(_EXPECTED)


def seaweedfs_place(s3_port: int, catalog_port: int) -> Place:
    """Return the place that SeaweedFS gives on this machine."""
    return Place(
        LOCAL_WAREHOUSE,
        "rest",
        {
            "CATALOG_URI": f"http://127.0.0.1:{catalog_port}",
            "CATALOG_CREDENTIAL": f"{LOCAL_KEY}:{LOCAL_SECRET}",
            "WAREHOUSE": LOCAL_WAREHOUSE,
            "S3_ENDPOINT": f"http://127.0.0.1:{s3_port}",
            "S3_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": LOCAL_KEY,
            "AWS_SECRET_ACCESS_KEY": LOCAL_SECRET,
        },
        own=True,
    )


def users_place(address: str, environ: Mapping[str, str]) -> Place:
    """Return the place at the address that `warehouse` gave, with the settings of the environment.

    Raises SettingsError for a bucket without a catalog, and for settings that are wrong or contradict the address.
    """
    wanted = environ.get("CATALOG_TYPE", "").lower()
    if not address.startswith("s3://"):
        if wanted not in ("", "hadoop"):
            raise SettingsError(f"CATALOG_TYPE={wanted}: expected hadoop, or nothing, with ARCHIVE_TO={address}")
        return Place(address, "hadoop", {"WAREHOUSE": address, **_hadoop_files(address, environ)})
    endpoint, uri = environ.get("S3_ENDPOINT", ""), environ.get("CATALOG_URI", "")
    catalog = wanted or ("rest" if uri else "glue")
    if catalog not in ("rest", "glue"):
        raise SettingsError(f"CATALOG_TYPE={catalog}: expected rest or glue with ARCHIVE_TO={address}")
    if catalog == "rest" and not uri:
        raise SettingsError("CATALOG_TYPE=rest: needs CATALOG_URI, the address of an Iceberg REST catalog")
    if endpoint and not wanted and not uri:
        raise SettingsError(
            f"S3_ENDPOINT={endpoint}: a bucket needs an Iceberg catalog beside it; set CATALOG_URI to the address of a "
            f"REST catalog, or CATALOG_TYPE=glue for Amazon's"
        )
    region = environ.get("S3_REGION") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    found = {"WAREHOUSE": address, "S3_REGION": region, "AWS_REGION": region}
    if catalog == "glue":
        return Place(address, catalog, {**found, **_given(environ, "AWS_ENDPOINT_URL")})
    credential = environ.get("CATALOG_CREDENTIAL") or _read(environ.get("CATALOG_CREDENTIAL_FILE"))
    return Place(
        address,
        catalog,
        {
            **found,
            "CATALOG_URI": uri.rstrip("/"),
            "CATALOG_CREDENTIAL": credential or "",
            "S3_ENDPOINT": endpoint or f"https://s3.{region}.amazonaws.com",
            **_given(environ, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        },
    )


def _hadoop_files(address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """HDFS' core-site.xml and hdfs-site.xml, which describe a name service; Kafka Connect runs in another folder."""
    given = environ.get("HADOOP_CONF_DIR")
    if not given or not address.startswith("hdfs://"):
        return {}
    if not Path(given).is_dir():
        raise SettingsError(f"HADOOP_CONF_DIR={given}: expected a folder with core-site.xml and hdfs-site.xml")
    return {"HADOOP_CONF_DIR": str(Path(given).resolve())}


def _given(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: environ[name] for name in names if environ.get(name)}


def _read(file: str | None) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"CATALOG_CREDENTIAL_FILE={file}: {error.strerror}") from error
