from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_statistics.settings import CopySettings, StatisticsSettings, place


def settings(*argv: str, **environ: str) -> StatisticsSettings:
    return read_settings(StatisticsSettings, prog="", description="", argv=argv, environ=environ)


def test_the_defaults_are_those_of_one_machine() -> None:
    found = settings()
    assert found.spark.master == "local[2]"
    assert found.query.trigger_interval == 5_000
    assert found.scenario_results_topic == "clickstream-scenario-results"
    assert found.storage.s3_endpoint == "auto"
    assert found.storage.checkpoints_to is found.results_to is found.redis.url is None
    assert not found.query.skip_lost


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3a://bucket/results/", "s3a://bucket/results"),
        ("s3://bucket", "s3a://bucket"),
        ("hdfs://namenode:8020/results", "hdfs://namenode:8020/results"),
        ("file:///srv/results", "file:///srv/results"),
        ("/srv/my results", "file:///srv/my results"),
        ("results", f"file://{Path.cwd()}/results"),
    ],
)
def test_a_place_is_written_as_hadoop_does(given: str, found: str) -> None:
    assert place(given) == found


@pytest.mark.parametrize(
    "given", ["s3a://", "hdfs://namenode:8020", "hdfs://namenode:8020/", "gs://bucket", "", "s3://a b"]
)
def test_other_places_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match="expected s3a://BUCKET/PREFIX, hdfs://HOST:8020/PATH or a folder"):
        place(given)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "RESULTS_TO is not set"),
        ({"RESULTS_TO": "results"}, "REDIS_URL is not set"),
    ],
)
def test_what_is_required_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(**environ).required()


def test_a_copy_needs_its_topic_and_its_place() -> None:
    copy = read_settings(CopySettings, prog="", description="", argv=["--topic", "web_logs"], environ={})
    with pytest.raises(SettingsError, match="--to is missing"):
        copy.required()


def test_no_message_shows_a_password_of_redis() -> None:
    with pytest.raises(SettingsError) as refused:
        settings(REDIS_URL="http://:secret@localhost")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "master", ["local", "local[*]", "local[4]", "k8s://https://10.0.0.1:443", "spark://host:7077", "yarn"]
)
def test_masters_of_spark_are_taken(master: str) -> None:
    assert settings(SPARK_MASTER=master).spark.master == master


def test_another_master_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"SPARK_MASTER=mesos://x: expected local\[CORES\]"):
        settings(SPARK_MASTER="mesos://x")
