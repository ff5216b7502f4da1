"""The table `clickstream.raw` of a place, as far as the launcher must know it: whose records it holds.

The sink writes that into the table's properties when it creates it. PyIceberg comes with the archive's packages (make
venv-archive), so it is imported when it is needed.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clickstream_local.archive_place import Place
from clickstream_local.errors import ArchiveFailed

TABLE = "clickstream.raw"
_VERSION = re.compile(r"v(\d+)\.metadata\.json")


@dataclass(frozen=True)
class RawTable:
    """A table that is there. `manifests` is the file that lists what it has; None before the first commit."""

    properties: Mapping[str, str]
    manifests: str | None


FindTable = Callable[[], RawTable | None]
"""Looks for the table; None if the place has none. Raises ArchiveFailed, in one line."""


def open_catalog(place: Place) -> Any:
    """Return PyIceberg's catalog of the place."""
    from pyiceberg.catalog import load_catalog

    properties = {"type": place.catalog, "warehouse": place.warehouse, "client.region": place.environ["S3_REGION"]}
    if place.catalog == "rest":
        properties |= {"uri": place.environ["CATALOG_URI"]}
        if place.environ["CATALOG_CREDENTIAL"]:
            properties |= {
                "credential": place.environ["CATALOG_CREDENTIAL"],
                "oauth2-server-uri": f"{place.environ['CATALOG_URI']}/v1/oauth/tokens",
            }
    return load_catalog("clickstream", **properties)


def table_in_catalog(place: Place) -> RawTable | None:
    """Return the table of a place with a catalog."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    try:
        table = open_catalog(place).load_table(TABLE)
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    except Exception as error:  # pyiceberg passes on what each of its libraries raises
        raise ArchiveFailed(
            f"the table {TABLE} in the catalog of {place.warehouse} can't be read: {in_a_line(error)}"
        ) from error
    snapshot = table.current_snapshot()
    return RawTable(table.properties, None if snapshot is None else snapshot.manifest_list)


def table_in_folder(names: Iterable[str], read: Callable[[str], bytes]) -> RawTable | None:
    """Return the table whose folder `metadata` has files of these names; `read` returns the content of one."""
    versions = {int(found[1]): name for name in names if (found := _VERSION.fullmatch(name))}
    if not versions:
        return None
    newest = versions[max(versions)]
    try:
        metadata = json.loads(read(newest))
    except ValueError as error:
        raise ArchiveFailed(f"{newest} of the table {TABLE} is damaged ({error}): choose another place") from error
    manifests = {each["snapshot-id"]: each["manifest-list"] for each in metadata.get("snapshots", ())}
    return RawTable(metadata.get("properties", {}), manifests.get(metadata.get("current-snapshot-id")))


def in_a_line(error: Exception) -> str:
    """Return what an exception of a library says."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
