"""The archive's tables beside the raw one, as Iceberg schemas: typed records by hour, and what compaction has done.

A typed table has the fields of docs/records.md, then where a record comes from (topic, partition, offset and the
record's own timestamp), then year, month, day and hour of that timestamp in UTC as text, by which raw and typed tables
are partitioned. A field of the record that a sender may leave out is null.
"""

from dataclasses import dataclass

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BooleanType,
    IcebergType,
    IntegerType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

RAW = "raw"
HOUR_COLUMNS = ("year", "month", "day", "hour")

Columns = tuple[tuple[str, IcebergType], ...]

_TEXT, _LONG, _INT, _TIME = StringType(), LongType(), IntegerType(), TimestamptzType()
_PROVENANCE: Columns = (
    ("topic", _TEXT),
    ("partition", _INT),
    ("offset", _LONG),
    ("record_timestamp", _TIME),
    *((name, _TEXT) for name in HOUR_COLUMNS),
)


@dataclass(frozen=True)
class TableSpec:
    """A table's name, columns in order, partition columns, and properties."""

    name: str
    columns: Columns
    partitioned_by: tuple[str, ...]

    @property
    def schema(self) -> Schema:
        """The Iceberg schema; a map's key and value have ids after those of the columns."""
        fields, inner = [], len(self.columns)
        for number, (name, kind) in enumerate(self.columns, start=1):
            if isinstance(kind, MapType):
                kind = MapType(inner + 1, kind.key_type, inner + 2, kind.value_type, value_required=False)
                inner += 2
            fields.append(NestedField(number, name, kind, required=False))
        return Schema(*fields)

    @property
    def partition_spec(self) -> PartitionSpec:
        """Identity of the partition columns, so that objects lie in year=…/month=…/day=…/hour=…/."""
        numbers = {name: number for number, (name, _) in enumerate(self.columns, start=1)}
        return PartitionSpec(
            *(
                PartitionField(numbers[name], 1000 + place, IdentityTransform(), name)
                for place, name in enumerate(self.partitioned_by)
            )
        )

    @property
    def properties(self) -> dict[str, str]:
        """As few metadata files and manifests as PyIceberg can keep; a conflict is ours to resolve.

        Manifests have the whole name of a file's topic, not its first 16 characters: it tells an hour's files apart.
        """
        return {
            "format-version": "2",
            "write.parquet.compression-codec": "zstd",
            "write.metadata.metrics.column.topic": "full",
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "50",
            "commit.manifest-merge.enabled": "true",
            "commit.retry.num-retries": "0",
        }


def _typed(name: str, *columns: tuple[str, IcebergType]) -> TableSpec:
    return TableSpec(name, (*columns, *_PROVENANCE), HOUR_COLUMNS)


def _map(values: IcebergType) -> MapType:
    return MapType(0, _TEXT, 0, values)


EVENTS = _typed(
    "events",
    ("event_id", _TEXT),
    ("timestamp", _TIME),
    ("user_id", _TEXT),
    ("session_id", _TEXT),
    ("event_type", _TEXT),
    ("page_url", _TEXT),
    ("page_category", _TEXT),
    ("referrer", _TEXT),
    ("device_type", _TEXT),
    ("country", _TEXT),
    ("duration_ms", _LONG),
)
WEB_LOGS = _typed(
    "web_logs",
    ("ip", _TEXT),
    ("timestamp", _TIME),
    ("method", _TEXT),
    ("url", _TEXT),
    ("status_code", _INT),
    ("user_agent", _TEXT),
)
METRICS = _typed(
    "metrics",
    ("window_start", _TIME),
    ("window_end", _TIME),
    ("total_events", _LONG),
    ("unique_users", _LONG),
    ("unique_sessions", _LONG),
    ("event_types", _map(_LONG)),
    ("devices", _map(_LONG)),
    ("top_referrers", _map(_LONG)),
    ("top_pages", _map(_LONG)),
    ("countries", _map(_LONG)),
    ("avg_duration_ms", _LONG),
    ("revision", _LONG),
    ("approximate", BooleanType()),
    ("processor_group", _TEXT),
    ("receipt", _TEXT),
)
SCENARIO_RESULTS = _typed(
    "scenario_results",
    ("scenario_id", _TEXT),
    ("success", _INT),
    ("date", _TEXT),
    ("timestamp", _TIME),
    ("version", _LONG),
    ("fields", _map(_TEXT)),
)
TYPED = (EVENTS, WEB_LOGS, METRICS, SCENARIO_RESULTS)

COMPACTIONS = TableSpec(
    "compactions",
    (
        ("table_name", _TEXT),
        ("topic", _TEXT),
        *((name, _TEXT) for name in HOUR_COLUMNS),
        ("raw_files", _TEXT),
        ("raw_rows", _LONG),
        ("typed_rows", _LONG),
        ("untyped", _map(_LONG)),
        ("compacted_at", _TIME),
    ),
    ("table_name", "year", "month"),
)
"""One row for each hour of a typed table: from which raw files it was made (a hash), and what could not be typed."""

RUNS = TableSpec(
    "runs",
    (
        ("command", _TEXT),
        ("started_at", _TIME),
        ("finished_at", _TIME),
        ("status", _INT),
        ("result", _TEXT),
        ("year", _TEXT),
        ("month", _TEXT),
    ),
    ("command", "year", "month"),
)
"""One row for each run with --record: its exit status, and its result as JSON."""
