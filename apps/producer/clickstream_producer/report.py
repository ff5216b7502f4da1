"""The producer's announcements: connected, generating, every 50 events, Kafka away and back, the summary."""

from collections.abc import Callable

from clickstream_core.logs import announce
from clickstream_producer.progress import Condition, Progress
from clickstream_producer.settings import ProducerSettings

_EVENTS_PER_LINE = 50
_MIN_LINE_INTERVAL_S = 1.0


class Reporter:
    """Turns a run's progress into announcements; `clock` returns monotonic seconds."""

    def __init__(self, settings: ProducerSettings, clock: Callable[[], float]) -> None:
        self._servers = list(settings.kafka.bootstrap_servers)
        self._rate = f"{settings.rate:.15g}"
        self._noun = "log lines" if settings.kind == "weblog" else "events"
        self._text = settings.service.log_format == "text"
        self._clock = clock
        self._obstacles = {Progress().why}
        self._condition = Condition.RUNNING
        self._away_since = 0.0
        self._started_at: float | None = None
        self._line_at = 0.0
        self._line_count = 0
        self._line_acknowledged = 0

    def started(self) -> None:
        self._started_at = self._line_at = self._clock()
        announce(f"✓ Connected to Kafka: {self._servers}", bootstrap_servers=self._servers)
        announce(f"🚀 Generating {self._rate} {self._noun}/second" + ("\n" if self._text else ""))

    def update(self, progress: Progress) -> None:
        if self._started_at is None:
            self._report_obstacle(progress)
        elif not progress.finished:
            self._report_condition(progress)
        self._report_sent(progress)

    def summary(self, progress: Progress) -> None:
        seconds = 0.0 if self._started_at is None else self._clock() - self._started_at
        rate = progress.acknowledged / seconds if seconds else 0.0
        if progress.error:
            announce(f"✗ {progress.error}", level="ERROR")
        if self._started_at is None and not progress.error:
            announce("✗ Stopped before Kafka could be reached")
        elif progress.in_flight:
            announce(f"✗ Stopped with {progress.in_flight:,} unsent: Kafka did not acknowledge them", level="ERROR")
        announce(
            f"\n📊 Summary\n"
            f"   Events sent:  {progress.acknowledged}\n"
            f"   Duration:     {seconds:.1f} s\n"
            f"   Average rate: {rate:.1f} events/sec\n"
            f"   Failed:       {progress.failed}\n"
            f"   Unsent:       {progress.in_flight}"
            if self._text
            else "summary",
            sent=progress.acknowledged,
            seconds=round(seconds, 3),
            rate=round(rate, 3),
            failed=progress.failed,
            unsent=progress.in_flight,
        )

    def _report_obstacle(self, progress: Progress) -> None:
        if progress.why not in self._obstacles:
            self._obstacles.add(progress.why)
            announce(f"⏳ {progress.why}; trying again until it is there", bootstrap_servers=self._servers)

    def _report_condition(self, progress: Progress) -> None:
        if progress.condition in (self._condition, Condition.CONNECTING):
            return
        before, self._condition = self._condition, progress.condition
        if before is Condition.RUNNING:
            self._away_since = self._clock()
        count = f"{progress.in_flight:,} {self._noun} in flight"
        if self._condition is Condition.PAUSED:
            announce(f"⚠ {progress.why}; generation paused with {count}", in_flight=progress.in_flight)
        elif self._condition is Condition.AWAY:
            announce(
                f"⚠ {progress.why}; generation goes on up to {progress.bound:,} in flight, now {count}",
                in_flight=progress.in_flight,
            )
        else:
            away = self._clock() - self._away_since
            announce(f"✓ Kafka is back after {away:.0f} s; generation goes on at {self._rate} {self._noun}/second")

    def _report_sent(self, progress: Progress) -> None:
        now = self._clock()
        count = progress.acknowledged - progress.acknowledged % _EVENTS_PER_LINE
        if count <= self._line_count or now - self._line_at < _MIN_LINE_INTERVAL_S:
            return
        rate = (progress.acknowledged - self._line_acknowledged) / (now - self._line_at)
        announce(
            f"📊 Sent {count} events | Rate: {rate:.1f} events/sec"
            f" | Partition: {progress.partition} | Offset: {progress.offset}",
            sent=count,
            rate=round(rate, 3),
            partition=progress.partition,
            offset=progress.offset,
        )
        self._line_at, self._line_count, self._line_acknowledged = now, count, progress.acknowledged
