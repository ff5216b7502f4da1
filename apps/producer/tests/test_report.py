"""What the producer says, word for word."""

import pytest

from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings
from clickstream_producer.metrics import ProgressCollector
from clickstream_producer.progress import Condition, Progress, total
from clickstream_producer.report import Reporter
from clickstream_producer.settings import ProducerSettings


class Clock:
    """A clock that stands still until it is moved; in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(clock: Clock) -> Reporter:
    configure_logs("INFO", "text", "clickstream-producer")
    return Reporter(read_settings(ProducerSettings, prog="test", description="", argv=[], environ={}), clock)


def running(acknowledged: int, accepted: int | None = None) -> Progress:
    return Progress(
        condition=Condition.RUNNING,
        why="",
        accepted=acknowledged if accepted is None else accepted,
        acknowledged=acknowledged,
        bound=100,
        partition=3,
        offset=1234,
    )


def test_the_start_is_announced(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    reporter.started()

    assert capsys.readouterr().out == ("✓ Connected to Kafka: ['localhost:9092']\n🚀 Generating 10 events/second\n\n")


def test_every_fifty_events_there_is_a_line(
    reporter: Reporter, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.started()
    capsys.readouterr()
    for count in range(1, 101):
        clock.move(0.1)
        reporter.update(running(count))

    assert capsys.readouterr().out == (
        "📊 Sent 50 events | Rate: 10.0 events/sec | Partition: 3 | Offset: 1234\n"
        "📊 Sent 100 events | Rate: 10.0 events/sec | Partition: 3 | Offset: 1234\n"
    )


def test_at_high_rates_there_is_a_line_a_second(
    reporter: Reporter, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.started()
    capsys.readouterr()
    for turn in range(1, 31):
        clock.move(0.1)
        reporter.update(running(turn * 523))

    lines = capsys.readouterr().out.splitlines()
    assert 2 <= len(lines) <= 3
    assert all("Rate: 5230.0 events/sec" in line for line in lines)


def test_kafka_going_away_is_said_once_and_so_is_its_return(
    reporter: Reporter, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Progress(condition=Condition.AWAY, why="Kafka is away: nothing acknowledged for 3 s", accepted=30, bound=100)
    full = Progress(
        condition=Condition.PAUSED, why="Kafka is away: nothing acknowledged for 10 s", accepted=100, bound=100
    )
    reporter.started()
    capsys.readouterr()
    for progress in (away, away, full, full, full, running(10, accepted=100), running(20, accepted=100)):
        clock.move(1.0)
        reporter.update(progress)

    assert capsys.readouterr().out == (
        "⚠ Kafka is away: nothing acknowledged for 3 s;"
        " generation goes on up to 100 in flight, now 30 events in flight\n"
        "⚠ Kafka is away: nothing acknowledged for 10 s; generation paused with 100 events in flight\n"
        "✓ Kafka is back after 5 s; generation goes on at 10 events/second\n"
    )


def test_what_keeps_it_from_connecting_is_said_once(reporter: Reporter, capsys: pytest.CaptureFixture[str]) -> None:
    for why in (Progress().why, "Kafka is away: 111 ECONNREFUSED", "Kafka is away: 111 ECONNREFUSED"):
        reporter.update(Progress(why=why))

    assert capsys.readouterr().out == "⏳ Kafka is away: 111 ECONNREFUSED; trying again until it is there\n"


def test_the_summary_has_all_counts(reporter: Reporter, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    reporter.started()
    clock.move(10.0)
    capsys.readouterr()
    reporter.summary(running(100))

    assert capsys.readouterr().out == (
        "\n📊 Summary\n   Events sent:  100\n   Duration:     10.0 s\n"
        "   Average rate: 10.0 events/sec\n   Failed:       0\n   Unsent:       0\n"
    )


def test_the_summary_says_how_many_events_were_left_behind(
    reporter: Reporter, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.started()
    reporter.summary(running(100, accepted=142))

    out = capsys.readouterr().out
    assert "✗ Stopped with 42 unsent" in out
    assert "   Unsent:       42\n" in out


def test_the_total_of_several_processes_is_as_bad_as_the_worst() -> None:
    parts = [running(50, accepted=60), Progress(condition=Condition.AWAY, why="gone", accepted=5, failed=1, error="no")]

    whole = total(parts)

    assert (whole.accepted, whole.acknowledged, whole.failed, whole.in_flight) == (65, 50, 1, 14)
    assert (whole.condition, whole.why, whole.error) == (Condition.AWAY, "gone", "no")
    assert (whole.partition, whole.offset) == (3, 1234)
    assert not whole.finished


def test_the_latency_histogram_counts_up() -> None:
    collector = ProgressCollector(10.0)
    counts = [0] * len(Progress().latencies)
    counts[0], counts[2], counts[-1] = 3, 2, 1
    collector.progress = Progress(latencies=tuple(counts), latency_sum=99.0)

    families = {family.name: family for family in collector.collect()}
    samples = {
        sample.labels.get("le", sample.name.rpartition("_")[2]): sample.value
        for sample in families["clickstream_producer_delivery_latency_seconds"].samples
    }

    assert samples["0.005"] == 3
    assert samples["0.025"] == 5
    assert samples["60.0"] == 5
    assert samples["+Inf"] == samples["count"] == 6
    assert samples["sum"] == 99.0
