"""Seconds and memory of compacting raw records into the typed table, and of questions to raw, typed and JSON.gz.

The raw table lies in a folder and is written as the sink does it: one file for each commit, by topic and hour. Each
number of events is compacted by `clickstream-archive compact` as a process of its own; peak memory is its largest
resident set. Then `clickstream-archive report` counts the day, and DuckDB answers the same question from the typed
table, from the raw records, and from the events as lines of JSON in gzip files, as plain-object sinks write them. A
question's time is the best of three, without the start of the process.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
from pyiceberg.catalog import Catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import BinaryType, IcebergType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.lake import lake
from clickstream_archive.settings import CatalogSettings
from clickstream_core.events import encode_event
from clickstream_core.settings import read_settings
from clickstream_producer.users import Crowd, RandomIds
from dataset import PARTITIONS, SEED, USERS
from measure import Usage
from table import command, machine
from workspace import KEPT, PYTHON, peers_are_missing

_FOLDER = KEPT / "compacting"
_DAY = datetime(2025, 10, 26, tzinfo=UTC)
_HOURS = 12
_COMMIT_RECORDS = 500_000
_TOPIC = "clickstream-events"
_PARTS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}
_QUESTION = "SELECT count(*), count(DISTINCT user_id), count(DISTINCT session_id) FROM"
_PAGES = "SELECT page_url, count(*) AS n FROM"
_REPEATS = 3
_LOOK_S = 0.02

_COLUMNS: tuple[tuple[str, IcebergType], ...] = (
    ("value", BinaryType()),
    ("key", BinaryType()),
    ("topic", StringType()),
    ("partition", IntegerType()),
    ("offset", LongType()),
    ("timestamp", TimestamptzType()),
    *((name, StringType()) for name in ("year", "month", "day", "hour", "group", "receipt")),
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compaction, the day's report, and questions to each form.")
    parser.add_argument("--events", default="1000000", help="how many events, several with commas (default 1000000)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    lines = [line for events in chosen.events.split(",") for line in _measure(int(events))]
    shutil.rmtree(_FOLDER)
    print(f"{command()}\n{machine()}")
    for line in lines:
        print(line)
    return 0


def _measure(events: int) -> Iterator[str]:
    """Make the raw table, compact it, and ask."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    environ = {"CATALOG_TYPE": "hadoop", "WAREHOUSE": str(_FOLDER / "archive")}
    settings = read_settings(CatalogSettings, prog="bench", description="", argv=[], environ=environ)
    print(f"Writing {events:,} raw records", flush=True)
    _write(open_catalog(settings), events)
    print(f"Compacting {events:,} records", flush=True)
    used, compacted = _run(environ, "compact", "--json")
    typed = compacted["tables"]["events"]
    if typed["typed_rows"] != events:
        raise RuntimeError(f"{typed['typed_rows']:,} of {events:,} records were typed")
    day, report = _run(environ, "report", "--day", f"{_DAY:%Y-%m-%d}", "--json")
    if report["events"] != events:
        raise RuntimeError(f"the report counts {report['events']:,} of {events:,} events")
    raw = sum(file.stat().st_size for file in (_FOLDER / "archive/clickstream/raw/data").rglob("*.parquet"))
    gz = sum(file.stat().st_size for file in (_FOLDER / "json").glob("*.gz"))
    sizes = {"raw": raw, "typed": typed["bytes"], "JSON.gz": gz}
    yield f"{events:,} events, bytes each: {', '.join(f'{name} {size / events:.1f}' for name, size in sizes.items())}"
    rate = f"{used.wall:.1f} s ({events / used.wall:,.0f} events/s)"
    yield f"compact: {rate}, {used.cpu:.1f} CPU s, peak {_mib(used)} MiB"
    yield f"report of the day: {day.wall:.2f} s, {day.cpu:.2f} CPU s, peak {_mib(day)} MiB"
    sources = {
        "typed": "events",
        "raw": "(SELECT unnest(from_json(decode(value),"
        ' \'{"user_id":"VARCHAR","session_id":"VARCHAR","page_url":"VARCHAR"}\'))'
        " FROM raw WHERE topic = 'clickstream-events')",
        "JSON.gz": f"read_json('{_FOLDER}/json/*.gz', format = 'newline_delimited',"
        " columns = {user_id: 'VARCHAR', session_id: 'VARCHAR', page_url: 'VARCHAR'})",
    }
    with lake(settings) as opened:
        for name, source in sources.items():
            questions = f"{_QUESTION} {source}", f"{_PAGES} {source} GROUP BY 1 ORDER BY n DESC LIMIT 5"
            ask = opened.connection.execute
            seconds = [min(_seconds(ask, question) for _ in range(_REPEATS)) for question in questions]
            yield f"{name}: events, users, sessions {seconds[0]:.2f} s; top pages {seconds[1]:.2f} s"


def _seconds(execute: Callable[[str], Any], question: str) -> float:
    began = time.monotonic()
    execute(question).fetchall()
    return time.monotonic() - began


def _mib(used: Usage) -> str:
    return f"{used.peak_bytes / 2**20:.0f}"


def _run(environ: dict[str, str], *arguments: str) -> tuple[Usage, dict[str, Any]]:
    """Run a command of clickstream-archive; return what it took, and its result."""
    output = _FOLDER / "output"
    began, peak, status = time.monotonic(), 0, 0
    with output.open("w", encoding="utf-8") as out:
        running = subprocess.Popen(
            [PYTHON, "-m", "clickstream_archive.main", *arguments], env={**os.environ, **environ}, stdout=out
        )
        ended = 0
        while not ended:
            time.sleep(_LOOK_S)
            peak = max(peak, _peak_bytes(running.pid))
            ended, status, resources = os.wait4(running.pid, os.WNOHANG)
    wall = time.monotonic() - began
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(f"clickstream-archive {arguments[0]} ended with status {running.returncode}")
    return Usage(wall, resources.ru_utime + resources.ru_stime, peak), json.loads(output.read_text())


def _peak_bytes(pid: int) -> int:
    """The largest resident set so far; 0 when the process has ended, whose rusage would have the parent's too."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _write(catalog: Catalog, events: int) -> None:
    """Write the events to the raw table, and as lines of JSON."""
    schema = Schema(*(NestedField(number, name, kind) for number, (name, kind) in enumerate(_COLUMNS, start=1)))
    by = PartitionSpec(
        *(
            PartitionField(schema.find_field(name).field_id, 1000 + place, IdentityTransform(), name)
            for place, name in enumerate(("topic", "year", "month", "day", "hour"))
        )
    )
    catalog.create_namespace_if_not_exists("clickstream")
    table = catalog.create_table(("clickstream", "raw"), schema, partition_spec=by)
    (_FOLDER / "json").mkdir(parents=True)
    records = _records(events)
    for number in range(-(-events // _COMMIT_RECORDS)):
        rows = list(islice(records, _COMMIT_RECORDS))
        values, times = [row[0] for row in rows], [row[3] for row in rows]
        columns: dict[str, Sequence[object]] = {
            "value": values,
            "key": [row[4] for row in rows],
            "topic": [_TOPIC] * len(rows),
            "partition": [row[1] for row in rows],
            "offset": [row[2] for row in rows],
            "timestamp": times,
            **{name: [f"{at:{form}}" for at in times] for name, form in _PARTS.items()},
            "group": [None] * len(rows),
            "receipt": [None] * len(rows),
        }
        table.append(pyarrow.Table.from_pydict(columns, schema=table.schema().as_arrow()))
        with gzip.open(_FOLDER / "json" / f"{number:05}.gz", "wb", compresslevel=6) as out:
            out.write(b"\n".join(values) + b"\n")


def _records(events: int) -> Iterator[tuple[bytes, int, int, datetime, bytes]]:
    """Value, partition, offset, timestamp and key of each record, at even distances over the first hours of the day."""
    start, span = int(_DAY.timestamp() * 1000), _HOURS * 3_600_000
    draw = random.Random(SEED)
    crowd = Crowd(seed=SEED, users=USERS, rate=events * 1000 / span, ids=RandomIds(draw))
    offsets = [0] * PARTITIONS
    for number in range(events):
        at = start + span * number // events
        event = crowd.next_event(at)
        partition = int(event.user_id.rpartition("_")[2]) % PARTITIONS
        yield (
            encode_event(event),
            partition,
            offsets[partition],
            _DAY + timedelta(milliseconds=at - start),
            event.user_id.encode(),
        )
        offsets[partition] += 1


if __name__ == "__main__":
    sys.exit(main())
