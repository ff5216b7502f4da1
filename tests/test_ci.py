"""The functions of .ci/run that decide something."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

RUN = (Path(__file__).parents[1] / ".ci/run").read_text(encoding="utf-8")
CLOSING = "====== {} in 61.25s (0:01:01) ======\n"


def call(command: str, **environ: str) -> str:
    """What the command says that calls functions of .ci/run."""
    functions = "\n".join(re.findall(r"^\w+\(\) \{.*?^\}$", RUN, re.MULTILINE | re.DOTALL))
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", f"{functions}\n{command}"],
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_python_that_does_not_start_is_passed_over_for_the_one_behind_it(tmp_path: Path) -> None:
    shims, pyenv, system = tmp_path / "shims", tmp_path / "pyenv", tmp_path / "system"
    for minor in (11, 13, 14):
        script(shims / f"python3.{minor}", "echo not found >&2; exit 127")
    script(shims / "python3.12", f'exec {sys.executable} "$@"')
    script(pyenv / "versions/3.13.0/bin/python3", f'exec {sys.executable} "$@"')
    script(system / "python3.11", f'exec {sys.executable} "$@"')
    found = call("find_pythons", PATH=f"{shims}:{system}", PYENV_ROOT=str(pyenv))
    paths = [system / "python3.11", shims / "python3.12", pyenv / "versions/3.13.0/bin/python3"]
    assert found.splitlines() == [str(path) for path in paths]


def test_the_report_adds_up_all_runs_and_counts_one_that_did_not_end_as_failed(tmp_path: Path) -> None:
    (tmp_path / "test.log").write_text(CLOSING.format("2 failed, 1200 passed, 3 skipped"), encoding="utf-8")
    (tmp_path / "test-fast.log").write_text(CLOSING.format("600 passed"), encoding="utf-8")
    said = call(f"work={tmp_path}; report test test-fast test-cluster").splitlines()
    assert said[1].startswith("make test-fast: ====== 600 passed in 61.25s")
    assert said[-1] == "1800 passed, 3 failed"
