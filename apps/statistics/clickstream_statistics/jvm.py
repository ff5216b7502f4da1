"""The JVM of the driver, as a child of this process.

Spark's own script needs bash, starts a second JVM to learn how to start the first, and asks for a module of the JDK
that runtimes made for an application leave out (`jdk.incubator.vector`, for machine learning). So the JVM is started
here, with Spark's `SparkSubmit` as that script does. Options are in a file that only this user can read: S3's keys are
among them.

The JVM ends when its standard input does: a driver that was killed with -9 leaves none behind.
"""

import os
import signal
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from clickstream_statistics.errors import JobError

_START_TIMEOUT_S = 600.0
_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs"),
    "sun.util.calendar",
)
"""Packages of java.base that Spark reaches into: org.apache.spark.launcher.JavaModuleOptions."""


def start_jvm(
    java: Path, spark_home: Path, options: Mapping[str, str], log_file: Path, temporary: Path
) -> "subprocess.Popen[bytes]":
    """Start the JVM, and tell PySpark where it listens.

    `options` are Spark's, `log_file` is Log4j's configuration, `temporary` is a folder. Raises JobError.
    """
    properties, answer = temporary / "spark.properties", temporary / "gateway"
    try:
        properties.touch(mode=0o600)
        properties.write_text("".join(f"{name} {_escaped(value)}\n" for name, value in options.items()), "utf-8")
        process = subprocess.Popen(
            _command(java, spark_home, options, log_file, properties, temporary),
            stdin=subprocess.PIPE,
            env=os.environ | {"_PYSPARK_DRIVER_CONN_INFO_PATH": str(answer), "SPARK_HOME": str(spark_home)},
            start_new_session=True,  # Ctrl+C of a terminal is for this process, which stops the query first
        )
        port, secret = _listening(process, answer)
    finally:
        properties.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)
    os.environ["PYSPARK_GATEWAY_PORT"], os.environ["PYSPARK_GATEWAY_SECRET"] = str(port), secret
    return process


def stop_jvm(process: "subprocess.Popen[bytes]", patience_s: float) -> None:
    """End the JVM, by force after `patience_s`."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _command(
    java: Path, spark_home: Path, options: Mapping[str, str], log_file: Path, properties: Path, temporary: Path
) -> list[str | Path]:
    folders = [os.environ[name] for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR") if os.environ.get(name)]
    return [
        java,
        "-cp",
        os.pathsep.join([*folders, f"{spark_home}/jars/*"]),
        f"-Xmx{options['spark.driver.memory']}",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-XX:+ExitOnOutOfMemoryError",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dlog4j2.configurationFile={log_file.as_uri()}",
        # Nothing is written elsewhere: the root file system may be read-only.
        f"-Djava.io.tmpdir={temporary}",
        "-XX:-UsePerfData",
        *options.get("spark.driver.extraJavaOptions", "").split(),
        "org.apache.spark.deploy.SparkSubmit",
        "--properties-file",
        properties,
        "pyspark-shell",
    ]


def _listening(process: "subprocess.Popen[bytes]", answer: Path) -> tuple[int, str]:
    """Return port and secret, which the JVM writes to a file when it is up."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answer.exists():
        if process.poll() is not None:
            raise JobError(f"Spark's JVM ended with status {process.returncode} before it was up: see the lines above")
        if time.monotonic() > deadline:
            process.kill()
            raise JobError(f"Spark's JVM was not up within {_START_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
    content = answer.read_bytes()
    port, length = struct.unpack(">ii", content[:8])
    return port, content[8 : 8 + length].decode()


def _escaped(value: str) -> str:
    """A value as java.util.Properties reads it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
