"""The job around a query: Spark, Kafka and the place are there, the query runs, and it begins again after a failure.

A query that fails takes its state with it. So each beginning reads the ledger again and goes on behind it. What trying
again can't cure ends the job with one line: another driver, lost records, a place that belongs to another job.
"""

import asyncio
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import KafkaError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from clickstream_core.log_throttle import LogThrottle
from clickstream_core.service import Health
from clickstream_core.shutdown import StopRequest
from clickstream_kafka.connection import connect, wait_for_topics
from clickstream_kafka.settings import KafkaSettings
from clickstream_statistics import instruments
from clickstream_statistics.batches import Batches, Shape
from clickstream_statistics.errors import JobError, NotOurs
from clickstream_statistics.failures import Failure, explain, is_another_driver, is_lost
from clickstream_statistics.kafka_source import client_options, source_options
from clickstream_statistics.kafka_watch import KafkaWatch
from clickstream_statistics.ledger import Ledger
from clickstream_statistics.offset_log import first_offsets, with_ends
from clickstream_statistics.ownership import Source, take_possession
from clickstream_statistics.progress import Progress
from clickstream_statistics.scratch import scratch_folder
from clickstream_statistics.session import spark_session
from clickstream_statistics.settings import APP, QuerySettings, SparkSettings, StorageSettings
from clickstream_statistics.storage import Storage, storage
from clickstream_statistics.topic_identity import topic_id

STALL_AFTER_S = 300.0
"""So long the reading of the checkpoints may take before the process counts as stuck."""
_START_S = 900.0
"""So long the start of Spark may take: on a busy node it is minutes, and a restart would begin them again."""
_PAUSE_S = 5.0
_LOOK_S = 0.5

_log = logging.getLogger(__name__)


class JobSettings(Protocol):
    """What the settings of both commands have."""

    @property
    def kafka(self) -> KafkaSettings: ...
    @property
    def spark(self) -> SparkSettings: ...
    @property
    def storage(self) -> StorageSettings: ...
    @property
    def query(self) -> QuerySettings: ...


@dataclass(frozen=True)
class Job:
    """A topic, the place of its Parquet, and what a record becomes."""

    topic: str
    place: str
    shape: Shape


class Runner:
    """Keeps the job's query running until `stopping`. `ledger` is that of the query, None before it is read.

    `waiting_for` says what another output waits for, "" for nothing.
    """

    def __init__(
        self, job: Job, settings: JobSettings, health: Health, stopping: StopRequest, waiting_for: Callable[[], str]
    ) -> None:
        self._job = job
        self._settings = settings
        self._health = health
        self._stopping = stopping
        self._waiting_for = waiting_for
        self._throttle = LogThrottle()
        self._checkpoints = settings.storage.checkpoints_to or f"{job.place}/_checkpoints"
        self._progress = Progress()
        self._failed = False
        self._said = ""
        self.ledger: Ledger | None = None

    def run(self) -> None:
        """Run until the stop is requested. Raises JobError and SettingsError."""
        self._wait("starting Spark")
        with ExitStack() as stack:
            temporary = stack.enter_context(scratch_folder())
            with starting(self._stopping, self._health, temporary):
                spark = spark_session(self._settings.spark, self._settings.storage, temporary)
                session, jvm = stack.enter_context(spark)
            self.run_in(session, temporary, jvm.poll)

    def run_in(self, session: SparkSession, temporary: str, jvm_status: Callable[[], int | None]) -> None:
        """The same with a session that is there; `jvm_status` is the exit status of its JVM. Raises JobError."""
        session.streams.addListener(self._progress)
        while not self._stopping.is_set():
            try:
                self._attempt(session, temporary)
            except (PySparkException, Py4JError, KafkaError, OSError, ValueError) as error:
                if (status := jvm_status()) is not None:
                    raise JobError(f"Spark's JVM ended with status {status}: see the lines above") from error
                if _has_stopped(session):
                    raise JobError("Spark has stopped, as after too many failed executors: see their logs") from error
                self._explain(error)

    def _attempt(self, session: SparkSession, temporary: str) -> None:
        kafka = asyncio.run(_unless(self._stopping, self._kafka()))
        if kafka is None:
            return
        self._wait("reading the checkpoints")
        batches = self._prepare(session, temporary, kafka)
        query = self._start(session, batches)
        try:
            with KafkaWatch(self._settings.kafka.aiokafka_config(), self._job.topic) as watch:
                try:
                    self._watch(query, watch)
                finally:
                    self._said = watch.waiting_for
        except StreamingQueryException as error:
            if batches.error is not None:
                raise batches.error from error
            raise
        finally:
            with suppress(PySparkException, Py4JError):
                query.stop()

    async def _kafka(self) -> str:
        """Wait for Kafka and the topic; return the cluster's id."""
        admin = await connect(self._settings.kafka.aiokafka_config(), self._health)
        try:
            await wait_for_topics(admin, (self._job.topic,), self._health)
            return str((await admin.describe_cluster())["cluster_id"])
        finally:
            await admin.close()

    def _prepare(self, session: SparkSession, temporary: str, kafka: str) -> Batches:
        place, checkpoints = self._job.place, self._checkpoints
        results, progress = storage(session, place), storage(session, checkpoints)
        topic = self._job.topic
        source = Source(topic, kafka, topic_id(session, client_options(self._settings.kafka), topic))
        take_possession(progress, checkpoints, results, place, source)
        ledger = Ledger(progress, checkpoints)
        if not checkpoints.startswith("hdfs:"):
            correct_offsets(progress, f"{checkpoints}/query", self._job.topic, ledger)
        if self._settings.spark.master.startswith("local"):
            staging = f"file://{temporary}/staging"
        else:  # executors on other machines write there
            progress.delete(f"{checkpoints}/staging")
            staging = f"{checkpoints}/staging/{uuid.uuid4().hex}"
        self.ledger = ledger
        return Batches(self._job.shape, ledger, results, place, staging)

    def _start(self, session: SparkSession, batches: Batches) -> StreamingQuery:
        query = self._settings.query
        source = source_options(self._settings.kafka, self._job.topic, skip_lost=query.skip_lost)
        records = session.readStream.format("kafka").options(**source).load()
        return (
            records.writeStream.foreachBatch(batches)
            .option("checkpointLocation", f"{self._checkpoints}/query")
            .trigger(processingTime=f"{query.trigger_interval} milliseconds")
            .queryName(APP)
            .start()
        )

    def _watch(self, query: StreamingQuery, kafka: KafkaWatch) -> None:
        self._progress.seen = False
        while not self._stopping.is_set() and not _ended(query):
            self._health.beat()
            seen = self._progress.seen
            if seen and self._failed:
                _log.warning("Batches are done again")
                self._failed = False
            waiting = kafka.waiting_for or (self._waiting_for() if seen else "doing the first batch")
            self._health.set_ready(not waiting, waiting)

    def _wait(self, why: str) -> None:
        self._health.beat()
        self._health.set_ready(False, why)

    def _explain(self, error: Exception) -> None:
        """Say what the failure means and pause. Raises JobError where trying again changes nothing."""
        trace = str(error)
        if is_another_driver(trace):
            raise NotOurs(
                f"another clickstream-statistics works on {self._checkpoints}: run only one with these checkpoints"
            ) from error
        if is_lost(trace):
            raise JobError(
                f"records of {self._job.topic} were deleted before they were read, or the topic was made again:"
                " SKIP_LOST=true goes on with what is there; a topic that was made again needs another place"
            ) from error
        place = self._job.place
        failure = (
            Failure("kafka", f"Kafka is away: {error!r}") if isinstance(error, KafkaError) else explain(trace, place)
        )
        instruments.FAILURES.labels(failure.cause).inc()
        self._failed = True
        if failure.cause == "kafka" and self._said:  # by the watch, so it is in the log
            failure = Failure("kafka", self._said)
        elif self._throttle.allow(failure.line, time.monotonic()):
            _log.warning("%s; trying again", failure.line)
        _log.debug("%s", trace)
        self._wait(failure.line)
        deadline = time.monotonic() + _PAUSE_S
        while time.monotonic() < deadline and not self._stopping.wait(_LOOK_S):
            self._health.beat()


def correct_offsets(files: Storage, query: str, topic: str, ledger: Ledger) -> None:
    """Make the newest two files of Spark's offset log agree with the ledger (`offset_log`)."""
    first = files.read(f"{query}/sources/0/0")
    newest = sorted((name for name in files.names(f"{query}/offsets") if name.isdigit()), key=int)[-2:]
    for name in newest:
        positions = ledger.positions(int(name))
        content = files.read(f"{query}/offsets/{name}")
        if positions is None or content is None or first is None:
            continue
        corrected = with_ends(content.decode(), topic, first_offsets(first.decode(), topic), positions)
        if corrected != content.decode():
            files.replace(f"{query}/offsets/{name}", corrected.encode())


@contextmanager
def starting(stopping: StopRequest, health: Health, temporary: str) -> Iterator[None]:
    """Spark starts inside: beat for `_START_S`, and end the process with status 0 when the stop is requested.

    The start can't be interrupted. Nothing has been done yet, and the JVM ends with this process.
    """
    over = threading.Event()
    deadline = time.monotonic() + _START_S

    def wait() -> None:
        while not stopping.wait(_LOOK_S) and not over.is_set():
            if time.monotonic() < deadline:
                health.beat()
        if not over.is_set():
            shutil.rmtree(temporary, ignore_errors=True)
            os._exit(0)

    threading.Thread(target=wait, name="start", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _ended(query: StreamingQuery) -> bool:
    """Wait a moment for the query's end. Raises StreamingQueryException when it has failed."""
    return bool(query.awaitTermination(_LOOK_S))  # type: ignore[arg-type]  # a fraction is taken, too


def _has_stopped(session: Any) -> bool:
    """Whether Spark has ended its context by itself: no query runs in it again."""
    return bool(session.sparkContext._jsc.sc().isStopped())


async def _unless(stopping: StopRequest, work: Coroutine[Any, Any, str]) -> str | None:
    """Return what `work` returns; when the stop is requested, cancel it and return None."""
    working = asyncio.ensure_future(work)
    while not working.done():
        if stopping.is_set():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            return None
        await asyncio.wait((working,), timeout=0.2)
    return working.result()
