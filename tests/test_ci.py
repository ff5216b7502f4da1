"""The functions of .ci/ that decide something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci"
CLOSING = "====== {} in 61.25s (0:01:01) ======\n"


def call(command: str, **environ: str) -> str:
    """What a command prints that calls functions of .ci/machine and .ci/results."""
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", f". {CI}/machine\n. {CI}/results\n{command}"],
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
    said = call(f"work={tmp_path}; targets=(test test-fast); note_missing test-cluster; report").splitlines()
    assert said[1].startswith("make test-fast: ====== 600 passed in 61.25s")
    assert said[-1] == "1800 passed, 3 failed"


def test_the_report_names_each_other_step_that_failed(tmp_path: Path) -> None:
    (tmp_path / "test.log").write_text(CLOSING.format("5 passed"), encoding="utf-8")
    steps = "run_step test -d /; run_step test a = b || echo status $?"
    said = call(f"work={tmp_path}; targets=(test); {steps}; report").splitlines()
    assert said == [
        "status 1",
        "failed: test a = b",
        "make test: ====== 5 passed in 61.25s (0:01:01) ======",
        "5 passed, 0 failed",
    ]


def test_it_reads_in_one_screen() -> None:
    assert len((CI / "run").read_text(encoding="utf-8").splitlines()) <= 50
    assert "shared" not in (CI / "run").read_text(encoding="utf-8"), "what is known of the rig stands in .ci/rig"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with .ci/, a rig beside it that writes down what it is asked, and a make whose tests all pass."""
    repository, rig = tmp_path / "repository", tmp_path / "shared/cluster"
    shutil.copytree(CI, repository / ".ci")
    for folder in ("deploy", "strimzi"):
        shutil.copytree(CI.parent / folder, repository / folder)
    core = Path("apps/core/clickstream_core")
    (repository / core).mkdir(parents=True)
    shutil.copy(CI.parent / core / "__init__.py", repository / core)
    noted = f'echo "${{0##*/}} $*" >>{tmp_path}/calls'
    crate = repository / "apps/native"
    crate.mkdir()
    shutil.copy(CI.parent / "apps/native/check-rust.sh", crate)
    (crate / "Cargo.toml").write_text('rust-version = "1.95"\n', encoding="utf-8")
    script(tmp_path / "bin/cargo", "echo cargo 1.95.0")
    script(tmp_path / "bin/cc", "exit 1")
    script(rig / "cluster", f'{noted}\ncase $1 in env) echo "export KUBECONFIG=/rig/kubeconfig" ;; esac')
    script(rig / "strimzi/strimzi", noted)
    script(tmp_path / "bin/kubectl", "exit 1")
    script(tmp_path / "bin/dpkg-query", "echo installed")
    script(tmp_path / "bin/make", f'{noted}\necho "$KUBECONFIG" >>{tmp_path}/kubeconfigs\necho "5 passed in 1.00s"')
    for minor in (11, 13):
        script(
            tmp_path / f"bin/python3.{minor}", f'[ "$1" = -c ] || exit 0; case $2 in *version*) echo 3.{minor} ;; esac'
        )
    return repository


def run_ci(checkout: Path) -> tuple[int, list[str], list[str]]:
    """Exit status, the lines that were printed, and the calls of make and of the rig in order."""
    path = f"{checkout.parent}/bin:{os.defpath}"
    environ = {"PATH": path, "HOME": str(checkout.parent), "CI": "false", "TMPDIR": str(checkout.parent)}
    done = subprocess.run(
        [checkout / ".ci/run"], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    calls = (checkout.parent / "calls").read_text(encoding="utf-8").splitlines()
    return done.returncode, done.stdout.splitlines(), calls


def test_everything_runs_and_an_own_rig_is_removed_again(checkout: Path) -> None:
    status, printed, calls = run_ci(checkout)
    assert (status, printed[-1]) == (0, "20 passed, 0 failed")
    made = [each.partition(" PYTHON")[0] for each in calls if each.startswith("make ")]
    on_oldest = ["make native", "make lint", "make test", "make test-older-kafka"]
    assert made == [*on_oldest, "make native", "make test-fast", "make test-cluster"]
    assert [each.endswith(" VENV=.venv-3.13") for each in calls if each.startswith("make native")] == [False, True]
    assert calls.index("cluster build") < calls.index("cluster up --nodes 3 --netpol on") < calls.index("strimzi up")
    assert calls[-2:] == ["make test-cluster", "cluster down --purge"]
    assert (checkout.parent / "kubeconfigs").read_text().split() == ["/rig/kubeconfig"], (
        "only test-cluster has a cluster"
    )


def test_a_failure_stops_nothing_and_ends_with_its_status(checkout: Path) -> None:
    script(checkout.parent / "bin/make", f'echo "make $1" >>{checkout.parent}/calls; [ "$1" != test ] || exit 2')
    status, printed, calls = run_ci(checkout)
    assert status == 2
    assert "FAILED: see above (status 2)" in printed
    assert printed[-1] == "0 passed, 4 failed", "none has come to its end"
    assert "make test-cluster" in calls


def test_without_rust_python_counts_and_a_line_says_so(checkout: Path) -> None:
    script(checkout.parent / "bin/cargo", "echo cargo 1.63.0")
    status, printed, calls = run_ci(checkout)
    assert (status, printed[-1]) == (0, "20 passed, 0 failed")
    assert not [each for each in calls if each.startswith("make native")]
    said = [each for each in printed if each.startswith("Without native counting: ")]
    assert len(said) == 2, "for each Python"
    assert said[0].startswith("Without native counting: apps/native needs Rust 1.95 or newer, and this is 1.63.0")


def test_without_a_rig_the_cluster_tests_are_left_out(checkout: Path) -> None:
    shutil.rmtree(checkout.parent / "shared")
    status, printed, calls = run_ci(checkout)
    assert (status, printed[-1]) == (0, "15 passed, 0 failed")
    assert not [each for each in calls if not each.startswith("make ") or "test-cluster" in each.split()]
