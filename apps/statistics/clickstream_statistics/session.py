"""Spark's session: the JVM, its options, and its end."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

from clickstream_core.errors import SettingsError
from clickstream_core.java import NoJava, find_java
from clickstream_statistics.errors import JobError
from clickstream_statistics.jvm import start_jvm, stop_jvm
from clickstream_statistics.settings import APP, SparkSettings, StorageSettings

_LOG_FILE = Path(__file__).with_name("log4j2.properties")
_STOP_S = 2.0


def spark_options(spark: SparkSettings, storage: StorageSettings, temporary: str) -> dict[str, str]:
    """Return Spark's options, those of SPARK_CONF_FILE above ours. Raises SettingsError."""
    options = {
        "spark.app.name": APP,
        "spark.driver.memory": "1g",
        "spark.master": spark.master,
        "spark.local.dir": temporary,
        "spark.hadoop.hadoop.tmp.dir": temporary,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        # It is for large joins; here it makes two queries of each small one.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
        "spark.sql.streaming.stopTimeout": "4s",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.ansi.enabled": "false",
        **_s3_options(storage),
    }
    if spark.master.startswith("local["):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if spark.jars is not None:
        jars = sorted(each.as_uri() for each in spark.jars.glob("*.jar"))
        if not jars:
            raise SettingsError(f"SPARK_JARS={spark.jars}: expected a folder with jars, there are none")
        options["spark.jars"] = ",".join(jars)
    return options | (_of_file(spark.conf_file) if spark.conf_file is not None else {})


def _s3_options(storage: StorageSettings) -> dict[str, str]:
    options = {
        "fs.s3a.endpoint.region": storage.s3_region,
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider,"
        "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider,"
        "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        # Otherwise a refusal or an absent service takes minutes to become an error.
        "fs.s3a.attempts.maximum": "3",
        "fs.s3a.retry.limit": "3",
        "fs.s3a.connection.establish.timeout": "5s",
        "fs.s3a.connection.timeout": "30s",
        "ipc.client.connect.max.retries": "3",
        "ipc.client.connect.max.retries.on.timeouts": "1",
    }
    if storage.s3_endpoint != "auto":
        options["fs.s3a.endpoint"] = storage.s3_endpoint
        options["fs.s3a.path.style.access"] = "true"
        options["fs.s3a.connection.ssl.enabled"] = str(storage.s3_endpoint.startswith("https")).lower()
    keys = {
        "fs.s3a.access.key": "AWS_ACCESS_KEY_ID",
        "fs.s3a.secret.key": "AWS_SECRET_ACCESS_KEY",
        "fs.s3a.session.token": "AWS_SESSION_TOKEN",
    }
    options |= {name: os.environ[variable] for name, variable in keys.items() if os.environ.get(variable)}
    return {f"spark.hadoop.{name}": value for name, value in options.items()}


def _of_file(file: Path) -> dict[str, str]:
    options = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, value = text.replace("=", " ", 1).partition(" ") if "=" in text.split()[0] else text.partition(" ")
        if not name.startswith("spark.") or not value.strip():
            raise SettingsError(f"SPARK_CONF_FILE={file}, line {number}: expected `spark.NAME VALUE`")
        options[name] = value.strip().removeprefix("=").strip()
    return options


@contextmanager
def spark_session(spark: SparkSettings, storage: StorageSettings, temporary: str) -> Iterator[tuple[SparkSession, Any]]:
    """Start Spark, and stop it at the end; gives the session and the JVM. Raises SettingsError and JobError."""
    options = spark_options(spark, storage, temporary)
    try:
        java = find_java()
    except NoJava as error:
        raise JobError(f"{error}. Install one, or set JAVA_HOME") from error
    # What a batch ends with is logged by the job.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    process = start_jvm(java, Path(pyspark.__file__).parent, options, _LOG_FILE, Path(temporary))
    try:
        session = SparkSession.builder.getOrCreate()
        try:
            yield session, process
        finally:
            if process.poll() is None:
                session.stop()
    finally:
        stop_jvm(process, _STOP_S)
