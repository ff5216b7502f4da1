"""A record of any topic as columns: where it is from, key and value as text, and the fields of the topic's form.

The forms are those of docs/records.md, by the topics' usual names. A field that is called like a column of the record
is `value_…`: `value_timestamp`. A value that is not of the form keeps its row, with null where nothing can be read;
one that is not UTF-8 is in `raw_value`.
"""

from collections.abc import Iterable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from clickstream_statistics.counts import Group
from clickstream_statistics.layout import hour_columns

_TEXT, _WHOLE, _TIME, _NUMBERS = "string", "bigint", "timestamp", "map<string,bigint>"
_RECORD = ("topic", "partition", "offset", "timestamp", "key", "value")
_REFUSED = "_refused"

FORMS: Mapping[str, Mapping[str, str]] = {
    "clickstream-events": {
        "event_id": _TEXT,
        "timestamp": _TIME,
        "user_id": _TEXT,
        "session_id": _TEXT,
        "event_type": _TEXT,
        "page_url": _TEXT,
        "page_category": _TEXT,
        "referrer": _TEXT,
        "device_type": _TEXT,
        "country": _TEXT,
        "duration_ms": _WHOLE,
        "received_at": _TIME,
        "client_timestamp": _TIME,
        "site_key": _TEXT,
        "tag": _TEXT,
        "element_id": _TEXT,
        "scenario_id": _WHOLE,
        "parameters": "map<string,string>",
    },
    "web_logs": {
        "ip": _TEXT,
        "timestamp": _TIME,
        "method": _TEXT,
        "url": _TEXT,
        "status_code": "int",
        "user_agent": _TEXT,
    },
    "clickstream-metrics": {
        "window_start": _TIME,
        "window_end": _TIME,
        "total_events": _WHOLE,
        "unique_users": _WHOLE,
        "unique_sessions": _WHOLE,
        "event_types": _NUMBERS,
        "devices": _NUMBERS,
        "top_referrers": _NUMBERS,
        "top_pages": _NUMBERS,
        "countries": _NUMBERS,
        "avg_duration_ms": _WHOLE,
        "revision": _WHOLE,
        "approximate": "boolean",
    },
    "clickstream-access-logs": {
        "request_id": _TEXT,
        "time": _TIME,
        "msec": "double",
        "remote_addr": _TEXT,
        "remote": _TEXT,
        "method": _TEXT,
        "request_uri": _TEXT,
        "path": _TEXT,
        "status": "int",
        "code": _TEXT,
        "bytes": _WHOLE,
        "referer": _TEXT,
        "agent": _TEXT,
    },
    "clickstream-scenario-results": {
        "success": "int",
        "scenario_id": _WHOLE,
        "date": _TEXT,
        "timestamp": _TIME,
        "version": _WHOLE,
        "member_known": "boolean",
    },
}
"""The fields of each topic's form and their types in Spark's words."""


def rows(records: DataFrame, topic: str) -> DataFrame:
    """Return a batch of the topic as it is stored, with year to hour of the record, and `is_object`."""
    value = f.try_validate_utf8(f.col("value").cast("string"))
    form = FORMS.get(topic, {})
    # Times are read as text: a wrong one must not cost the other fields.
    read = [f"`{name}` {_TEXT if kind == _TIME else kind}" for name, kind in form.items()]
    schema = ", ".join([*read, f"`{_REFUSED}` string"])
    options = {"columnNameOfCorruptRecord": _REFUSED}
    parsed = records.select(
        "topic",
        "partition",
        "offset",
        "timestamp",
        f.make_valid_utf8(f.col("key").cast("string")).alias("key"),
        value.alias("value"),
        f.when(value.isNull(), f.col("value")).alias("raw_value"),
        f.when(f.ltrim(value).startswith("{"), f.from_json(value, schema, options)).alias("parsed"),
    )
    fields = [_field(name, kind) for name, kind in form.items()]
    is_object = f.col("parsed").isNotNull() & f.col(f"parsed.{_REFUSED}").isNull()
    return parsed.select(*_RECORD, "raw_value", *fields, *hour_columns("timestamp"), is_object.alias("is_object"))


def stored(rows: DataFrame) -> DataFrame:
    """Return the rows that go to Parquet: all."""
    return rows.drop("is_object")


def groups(rows: DataFrame) -> Iterable[Group]:
    """Return what the batch's record is made of: a malformed record belongs to no scenario, any other to scenario 0."""
    summed = rows.groupBy("partition", "is_object").agg(
        f.min("offset").alias("first"), f.max("offset").alias("last"), f.count("*").alias("records")
    )
    return [
        Group(row["partition"], row["first"], row["last"], row["records"], 0 if row["is_object"] else None)
        for row in summed.collect()
    ]


def _field(name: str, kind: str) -> Column:
    shown = f"value_{name}" if name in _RECORD else name
    column = f.col(f"parsed.{name}")
    return (column.try_cast(_TIME) if kind == _TIME else column).alias(shown)
