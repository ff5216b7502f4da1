from unittest.mock import MagicMock

import pytest
from pyspark.sql import SparkSession

from clickstream_core.service import Health
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import StopRequest
from clickstream_statistics.batches import Shape
from clickstream_statistics.errors import JobError
from clickstream_statistics.job import Job, Runner
from clickstream_statistics.settings import StatisticsSettings


class Failing(Runner):
    """Its query fails, however often it is tried."""

    attempts = 0

    def _attempt(self, session: SparkSession, temporary: str) -> None:
        self.attempts += 1
        if self.attempts > 2:
            self._stopping.set()
        raise ValueError("the query failed")

    def _explain(self, error: Exception) -> None:
        """Without its pause."""


@pytest.fixture
def runner() -> Failing:
    environ = {"RESULTS_TO": "/results", "REDIS_URL": "redis://localhost"}
    settings = read_settings(StatisticsSettings, prog="", description="", argv=[], environ=environ)
    shape = MagicMock(spec=Shape)
    return Failing(Job("results", "/results", shape), settings, Health(), StopRequest(), lambda: "")


def session(*, stopped: bool) -> MagicMock:
    made = MagicMock(spec=SparkSession)
    made.sparkContext._jsc.sc().isStopped.return_value = stopped
    return made


def test_a_query_that_failed_is_tried_again(runner: Failing) -> None:
    runner.run_in(session(stopped=False), "/tmp/scratch", lambda: None)
    assert runner.attempts == 3


def test_the_job_ends_when_spark_has_stopped_so_that_it_is_started_again(runner: Failing) -> None:
    with pytest.raises(JobError, match="Spark has stopped"):
        runner.run_in(session(stopped=True), "/tmp/scratch", lambda: None)
    assert runner.attempts == 1


def test_the_job_ends_with_its_jvm(runner: Failing) -> None:
    with pytest.raises(JobError, match="ended with status 137"):
        runner.run_in(session(stopped=False), "/tmp/scratch", lambda: 137)
