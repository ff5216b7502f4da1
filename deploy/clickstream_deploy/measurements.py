"""The numbers of a throughput test, from the pods' metrics to the table.

A counter's increase is summed over its readings, as Prometheus does: a pod that is restarted begins again at 0.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SERIES = re.compile(r"^(\w+)(\{.*\})? (\S+)", re.MULTILINE)
_LATENCY = "clickstream_streams_window_latency_seconds"
_REACHED = 0.95
_HEADINGS = ("replicas", "sent/s", "counted/s", "lag", "window latency", "pod", "CPU", "memory")
_LEGEND = """\
sent/s and counted/s: events per second that the test sent, and that the processor counted, other senders' included;
lag: events that waited at the end; window latency: from a window's end to its result, mean; CPU: mean number of CPUs;
memory: the most that was seen"""

Metrics = dict[str, dict[str, float]]
"""A pod's metrics: name, labels as they were written ("" for none), value."""


def parse(text: str) -> Metrics:
    """Read Prometheus' text format."""
    metrics: Metrics = {}
    for name, labels, value in _SERIES.findall(text):
        metrics.setdefault(name, {})[labels] = float(value)
    return metrics


def lag_of(pods: Iterable[Metrics]) -> int:
    """Return the records that wait; during a rebalance two pods may name the same partition."""
    lags = [each for metrics in pods for each in metrics.get("clickstream_streams_lag_records", {}).items()]
    return int(sum(dict(sorted(lags)).values()))


@dataclass(frozen=True)
class Reading:
    """The metrics of all pods that answered, at a time in seconds."""

    at_s: float
    pods: dict[str, Metrics]


@dataclass(frozen=True)
class Step:
    """What was read while `rate` events per second were asked for; the readings need not hold the same pods."""

    replicas: int
    rate: float
    readings: Sequence[Reading]

    @property
    def pods(self) -> list[str]:
        """Their names."""
        return sorted({name for reading in self.readings for name in reading.pods})

    @property
    def sent(self) -> float:
        """Events per second that Kafka has."""
        return self._per_second("clickstream_producer_events_acknowledged_total")

    @property
    def counted(self) -> float:
        """Events per second that are counted in windows."""
        return self._per_second("clickstream_streams_events_total")

    @property
    def lag(self) -> int:
        """Events that waited at the end."""
        return lag_of(self.readings[-1].pods.values())

    def summary(self) -> str:
        """The step in one line."""
        numbers = f"{_rate(self.sent)} events/s sent, {_rate(self.counted)} counted, lag {self.lag:,}"
        return f"{in_words(self.replicas)}: {numbers}"

    def rows(self) -> list[tuple[str, ...]]:
        """Its rows of the table, one for each pod."""
        windows = self._per_second(f"{_LATENCY}_count")
        latency = f"{self._per_second(f'{_LATENCY}_sum') / windows:.1f} s" if windows else "-"
        first = (str(self.replicas), _rate(self.sent), _rate(self.counted), f"{self.lag:,}", latency)
        rows = []
        for number, pod in enumerate(self.pods):
            cpus = self._per_second("process_cpu_seconds_total", pod)
            memory = max(self._values("process_resident_memory_bytes", pod)) / 1024 / 1024
            rows.append((*(("",) * len(first) if number else first), pod, f"{cpus:.2f}", f"{memory:.0f} MiB"))
        return rows

    def notes(self) -> list[str]:
        """What the numbers alone do not say."""
        last = self.readings[-1].pods
        starts = {pod: set(self._values("process_start_time_seconds", pod)) for pod in self.pods}
        notes = [f"{pod} ended or was restarted" for pod in self.pods if pod not in last or len(starts[pod]) > 1]
        if self.sent < _REACHED * self.rate:
            reached = f"{_rate(self.sent)} of {_rate(self.rate)} events/s"
            notes += [f"the rate was not reached ({reached}): the sending pods, their nodes or Kafka can't do more"]
        if self.counted < _REACHED * self.sent:
            grown = self.lag - lag_of(self.readings[0].pods.values())
            notes += [f"the processor did not keep up, its lag grew by {grown:,} events"]
        if not self._per_second(f"{_LATENCY}_count"):
            sizes = [size for pod in self.pods for size in self._values("clickstream_streams_window_size_seconds", pod)]
            notes += [f"no window ended, one is {max(sizes, default=0):.0f}s long: --duration sets a longer time"]
        return [f"{in_words(self.replicas)}: {note}" for note in notes]

    def _values(self, metric: str, pod: str) -> list[float]:
        return [sum(each.pods[pod].get(metric, {}).values()) for each in self.readings if pod in each.pods]

    def _per_second(self, counter: str, *pods: str) -> float:
        steps = [step for pod in pods or self.pods for step in pairwise(self._values(counter, pod))]
        increase = sum(after - before if after >= before else after for before, after in steps)
        return increase / (self.readings[-1].at_s - self.readings[0].at_s)


def table(steps: Sequence[Step]) -> str:
    """Return the table of all steps, its notes and its legend."""
    rows = [_HEADINGS, *(row for step in steps for row in step.rows())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    name = _HEADINGS.index("pod")
    lines = [
        "  ".join(cell.ljust(width) if at == name else cell.rjust(width) for at, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([*lines, "", *(note for step in steps for note in step.notes()), _LEGEND])


def in_words(replicas: int) -> str:
    """1 replica, 3 replicas."""
    return f"{replicas} replica{'' if replicas == 1 else 's'}"


def _rate(events_per_s: float) -> str:
    return f"{events_per_s:,.0f}" if events_per_s >= 10 else f"{events_per_s:.3g}"
