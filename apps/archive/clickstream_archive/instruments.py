"""The metrics of the last runs, as `serve` reads them from the archive at each refresh."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clickstream_archive.runs import Run

_PREFIX = "clickstream_archive"


class LastRuns(Collector):
    """Gauges of what `update` was last given."""

    def __init__(self) -> None:
        self._runs: Mapping[str, Run] = {}
        self._raw_committed_at: float | None = None

    def update(self, runs: Mapping[str, Run], raw_committed_at: float | None) -> None:
        """Take the last run of each command, and when the sink last committed (seconds since the epoch)."""
        self._runs, self._raw_committed_at = runs, raw_committed_at

    def collect(self) -> Iterator[Metric]:
        runs = self._runs.values()
        yield _gauge(
            "last_run_timestamp_seconds",
            "when the last run ended",
            "command",
            {run.command: run.finished_at.timestamp() for run in runs},
        )
        yield _gauge(
            "last_run_seconds",
            "how long the last run took",
            "command",
            {run.command: (run.finished_at - run.started_at).total_seconds() for run in runs},
        )
        yield _gauge(
            "last_run_status", "exit status of the last run", "command", {run.command: run.status for run in runs}
        )
        if self._raw_committed_at is not None:
            found = GaugeMetricFamily(
                f"{_PREFIX}_raw_last_commit_timestamp_seconds", "when the sink last committed raw records"
            )
            found.add_metric([], self._raw_committed_at)
            yield found
        for command, metrics in (("compact", _of_compact), ("verify", _of_verify), ("report", _of_report)):
            run = self._runs.get(command)
            if run is not None and "error" not in run.result:
                yield from metrics(run.result)


def _of_compact(result: Mapping[str, Any]) -> Iterator[Metric]:
    tables = result["tables"]
    yield _gauge("compacted_rows", "rows typed by the last run", "table", _each(tables, "typed_rows"))
    yield _gauge("waiting_hours", "hours with records that are not closed yet", "table", _each(tables, "open_hours"))
    yield _gauge(
        "failed_hours",
        "hours that the last run could not read",
        "table",
        {table: len(each["failed"]) for table, each in tables.items()},
    )
    untyped = GaugeMetricFamily(
        f"{_PREFIX}_untyped_rows", "records that the last run could not type", labels=["table", "kind"]
    )
    for table, each in tables.items():
        for kind, count in each["untyped"].items():
            untyped.add_metric([table, kind], count)
    yield untyped


def _of_verify(result: Mapping[str, Any]) -> Iterator[Metric]:
    totals: dict[str, dict[str, int]] = {"missing": {}, "doubled": {}, "unknown": {}}
    for partition in result["partitions"]:
        for name, by_topic in totals.items():
            by_topic[partition["topic"]] = by_topic.get(partition["topic"], 0) + partition[f"{name}_offsets"]
    for name, by_topic in totals.items():
        yield _gauge(f"{name}_offsets", f"{name} offsets in the last verification", "topic", by_topic)
    verdicts = {"equal": 0, "different": 0, "not_judged": 0}
    for group in result["groups"]:
        verdicts["equal"] += group["equal"]
        verdicts["different"] += group["different"]
        verdicts["not_judged"] += sum(group["not_judged"].values())
    yield _gauge("windows", "windows in the last verification", "verdict", verdicts)


def _of_report(result: Mapping[str, Any]) -> Iterator[Metric]:
    for name in ("events", "users", "sessions"):
        found = GaugeMetricFamily(f"{_PREFIX}_day_{name}", f"{name} of the day of the last report")
        found.add_metric([], result[name])
        yield found


def _each(tables: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, float]:
    return {table: each[name] for table, each in tables.items()}


def _gauge(name: str, help: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    found = GaugeMetricFamily(f"{_PREFIX}_{name}", help, labels=[label])
    for value, number in values.items():
        found.add_metric([value], number)
    return found
