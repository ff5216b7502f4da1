"""Where a batch's rows lie: one Parquet file for each hour, with a name that the batch's number decides.

    <place>/year=2026/month=11/day=27/hour=10/batch-000000000012.parquet

Spark writes a batch into a folder of its own first, `staging`. Each of its files then appears under its name whole, and
one that is there already is kept: a batch that is repeated is the same batch. So a listing of `*.parquet` has each row
once at any moment.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from clickstream_statistics.errors import JobError
from clickstream_statistics.storage import FOLDER, Folder, Storage, local_path

HOURS = ("year", "month", "day", "hour")
_FORMATS = ("yyyy", "MM", "dd", "HH")


def hour_columns(timestamp: str) -> list[Column]:
    """Return year, month, day and hour (UTC) of a column of timestamps, as text."""
    return [f.date_format(timestamp, pattern).alias(name) for name, pattern in zip(HOURS, _FORMATS, strict=True)]


def store(rows: DataFrame, batch: int, staging: str, storage: Storage, place: str) -> None:
    """Write the rows, which have the columns HOURS and `partition` and `offset`, and publish their files."""
    ordered = rows.coalesce(1).sortWithinPartitions(*HOURS, "partition", "offset")
    ordered.write.mode("overwrite").partitionBy(*HOURS).parquet(staging)
    published = set()
    for file in _parquet_files(rows.sparkSession, staging):
        hour = PurePosixPath(file).parent.parts[-len(HOURS) :]
        target = "/".join((place, *hour, f"batch-{batch:012d}.parquet"))
        if target in published:
            raise JobError(f"Spark wrote several files for {'/'.join(hour)} in {staging}: expected one")
        published.add(target)
        storage.publish(file, target)
    (Folder() if staging.startswith(f"{FOLDER}:") else storage).delete(staging)


def _parquet_files(session: Any, folder: str) -> list[str]:
    if folder.startswith(f"{FOLDER}:"):
        return [f"{FOLDER}://{each}" for each in sorted(Path(local_path(folder)).rglob("*.parquet"))]
    path = session._jvm.org.apache.hadoop.fs.Path(folder)
    listed = path.getFileSystem(session._jsc.hadoopConfiguration()).listFiles(path, True)
    found = []
    while listed.hasNext():
        found.append(listed.next().getPath().toString())
    return sorted(each for each in found if each.endswith(".parquet"))
