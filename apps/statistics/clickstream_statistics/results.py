"""The scenarios' results as columns: one row for each record, its fields null where it is not a result.

The object is parsed once, to a map of texts, because what a scenario keeps is up to its author.
"""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as f

from clickstream_statistics.counts import NO_MINUTE, Group
from clickstream_statistics.layout import hour_columns

_OWN = ("scenario_id", "success", "date", "timestamp", "version")
_RFC_3339 = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"
_WHOLE = r"^\d{1,19}$"
_HOUR_S = 3600
STORED = (*_OWN, "fields", "topic", "partition", "offset", "record_timestamp")
"""The columns of the Parquet, beside those of the hour."""


def rows(records: DataFrame) -> DataFrame:
    """Return a batch of the topic with the columns STORED, year to hour of the result, `is_result` and `minute`."""
    value = f.try_validate_utf8(f.col("value").cast("string"))
    held = f.when(f.ltrim(value).startswith("{"), f.from_json(value, "map<string,string>"))
    parsed = records.select(
        "topic", "partition", "offset", f.col("timestamp").alias("record_timestamp"), held.alias("held")
    )
    typed = parsed.select(
        _whole("scenario_id").alias("scenario_id"),
        f.when(_text("success").isin("0", "1"), _text("success").cast("int")).alias("success"),
        _text("date").alias("date"),
        f.when(_text("timestamp").rlike(_RFC_3339), _text("timestamp").try_cast("timestamp")).alias("timestamp"),
        _whole("version").alias("version"),
        f.map_filter("held", lambda name, _: ~name.isin(*_OWN)).alias("fields"),
        "topic",
        "partition",
        "offset",
        "record_timestamp",
    )
    complete = f.lit(True)
    for name in ("scenario_id", "success", "timestamp", "version"):
        complete = complete & f.col(name).isNotNull()
    ahead_s = f.unix_seconds("timestamp") - f.unix_seconds("record_timestamp")
    near = ahead_s.between(-24 * _HOUR_S, _HOUR_S)
    minute = f.when(near, f.floor(f.unix_seconds("timestamp") / 60)).otherwise(NO_MINUTE)
    return typed.select(*STORED, *hour_columns("timestamp"), complete.alias("is_result"), minute.alias("minute"))


def stored(rows: DataFrame) -> DataFrame:
    """Return those rows that go to Parquet."""
    return rows.where("is_result").drop("is_result", "minute")


def groups(rows: DataFrame) -> Iterable[Group]:
    """Return what the batch's record is made of."""
    keys = [f.when(f.col("is_result"), f.col(name)).alias(name) for name in ("scenario_id", "version", "minute")]
    summed = rows.groupBy("partition", "is_result", *keys).agg(
        f.min("offset").alias("first"),
        f.max("offset").alias("last"),
        f.count("*").alias("records"),
        f.sum("success").alias("success"),
    )
    return [_group(row) for row in summed.collect()]


def _group(row: Row) -> Group:
    bounds = (row["partition"], row["first"], row["last"], row["records"])
    if not row["is_result"]:
        return Group(*bounds)
    return Group(*bounds, row["scenario_id"], row["version"], row["minute"], row["success"])


def _text(name: str) -> Column:
    return f.col("held")[name]


def _whole(name: str) -> Column:
    """A whole number from 1 on."""
    number = f.when(_text(name).rlike(_WHOLE), _text(name).try_cast("bigint"))
    return f.when(number >= 1, number)
