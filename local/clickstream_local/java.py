"""Find a Java that can run Kafka 4, as `clickstream_core.java` does."""

import os
from collections.abc import Mapping
from pathlib import Path

from clickstream_core import java
from clickstream_core.java import major_version
from clickstream_local.errors import JavaNotFound

__all__ = ["find_java", "major_version"]


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a `java` command of version 17 or newer. Raises JavaNotFound, which lists what was tried."""
    try:
        return java.find_java(environ)
    except java.NoJava as error:
        raise JavaNotFound(
            f"{error}. Install one, set JAVA_HOME, or set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere"
        ) from error
