"""The crate apps/native as make, its tests and the versions see it: optional, and built only where Rust is."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from clickstream_core import __version__

ROOT = Path(__file__).parents[1]
CRATE = Path("apps/native")
EXTRA_APPS = ("archive", "scenarios", "statistics")
TOOLS = ("bash", "cut", "dirname", "env", "find", "grep", "make", "mkdir", "rm", "sed", "sh", "sort", "touch", "xargs")


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile, a crate and a prepared .venv whose programs write down their calls; no Rust on the PATH."""
    folder, programs = tmp_path / "checkout", tmp_path / "bin"
    (folder / CRATE / "src").mkdir(parents=True)
    for file in ("Makefile", CRATE / "check-rust.sh"):
        shutil.copy(ROOT / file, folder / file)
    for lock in ROOT.glob("requirements*.lock"):
        (folder / lock.name).touch()
    (folder / CRATE / "Cargo.toml").write_text('[package]\nversion = "0.1.0"\nrust-version = "1.95"\n')
    (folder / CRATE / "src/lib.rs").touch()
    for name in ("crates.lock", "Cargo.lock"):  # the second is made of the first
        (folder / CRATE / name).touch()
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, f"{tool} is needed to run this test"
        (programs / tool).symlink_to(found)
    noted = f'echo "${{0##*/}} $*" >>{tmp_path}/calls'
    wheel = f"{CRATE}/target/wheels/clickstream_native-0.1.0-cp311-abi3-linux_x86_64.whl"
    script(folder / ".venv/bin/python", noted)
    script(folder / ".venv/bin/maturin", f"{noted}\nmkdir -p {CRATE}/target/wheels && touch {wheel}")
    stamps = ["", *(f"-{name}" for name in EXTRA_APPS), "-dev"]
    for name in EXTRA_APPS:
        (folder / "apps" / name).mkdir()
        (folder / "apps" / name / "pyproject.toml").touch()
    for stamp in stamps:
        (folder / f".venv/.installed{stamp}").touch()
    return folder


def install_rust(checkout: Path, version: str = "1.95.0") -> None:
    """Put a stand-in for cargo on the PATH, and a linker."""
    noted = f'[ "$1" = --version ] || echo "cargo $*" >>{checkout.parent}/calls'
    script(checkout.parent / "bin/cargo", f'{noted}\necho "cargo {version} (f2d3ce0bd 2026-03-21)"')
    script(checkout.parent / "bin/cc", "true")


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={"PATH": str(checkout.parent / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
    )


def calls(checkout: Path) -> list[str]:
    """What was called since the last question."""
    log = checkout.parent / "calls"
    found = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def test_a_crate_has_the_version_of_the_packages() -> None:
    for file in ROOT.glob("apps/*/Cargo.toml"):
        package = tomllib.loads(file.read_text(encoding="utf-8"))["package"]
        locked = tomllib.loads(file.with_name("crates.lock").read_text(encoding="utf-8"))["package"]
        assert package["version"] == __version__, file
        assert [each["version"] for each in locked if each["name"] == package["name"]] == [__version__]


def test_the_rust_that_the_crate_asks_for_is_the_one_that_images_and_ci_have() -> None:
    for file in ROOT.glob("apps/*/Cargo.toml"):
        wanted = tomllib.loads(file.read_text(encoding="utf-8"))["package"]["rust-version"]
        assert f"/rust:{wanted}-slim-bookworm" in (ROOT / "deploy/image/rust").read_text(encoding="utf-8")
        assert f"RUST_VERSION: {wanted}.0\n" in (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")


def test_make_native_builds_the_wheel_once_and_installs_it(checkout: Path) -> None:
    install_rust(checkout)
    built = make(checkout, "native")
    assert built.returncode == 0, built.stderr
    assert "Building apps/native with cargo 1.95.0" in built.stdout
    tools, maturin, install = calls(checkout)
    assert tools.endswith("--require-hashes -r requirements-native.lock")
    assert maturin.startswith("maturin build --quiet --release --locked --manifest-path apps/native/Cargo.toml")
    assert re.search("--no-deps --force-reinstall .*/clickstream_native-0.1.0-.*[.]whl$", install)

    assert (make(checkout, "native").returncode, calls(checkout)) == (0, [])
    (checkout / CRATE / "src/new.rs").touch()
    assert make(checkout, "native").returncode == 0
    assert len(calls(checkout)) == 3, "a newer source: built and installed again"


def test_a_wheel_that_is_built_is_installed_into_another_environment_without_rust(checkout: Path) -> None:
    install_rust(checkout)
    make(checkout, "native")
    (checkout.parent / "bin/cargo").unlink()
    shutil.copytree(checkout / ".venv/bin", checkout / ".venv-3.13/bin")
    (checkout / ".venv-3.13/.installed").touch()
    calls(checkout)
    done = make(checkout, "native", "VENV=.venv-3.13")
    assert done.returncode == 0, done.stderr
    assert [each.split()[-1].endswith(".whl") for each in calls(checkout)] == [True]


def test_make_clean_forgets_the_wheel(checkout: Path) -> None:
    install_rust(checkout)
    make(checkout, "native")
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / CRATE / "target").exists()
    assert (checkout / CRATE / "src/lib.rs").exists()


@pytest.mark.parametrize("target", ["venv", "test", "test-fast"])
def test_environment_and_tests_need_no_rust(checkout: Path, target: str) -> None:
    install_rust(checkout)
    (checkout / "requirements-local.lock").touch()
    made = make(checkout, "--dry-run", target)
    assert made.returncode == 0, made.stderr
    assert "Preparing .venv" in made.stdout
    assert not re.search("cargo|maturin|requirements-native", made.stdout)


@pytest.mark.parametrize(
    ("cargo", "why"),
    [
        (None, "there is no cargo here: https://rustup.rs installs it"),
        ("exit 1", "cargo does not work here: try cargo --version; https://rustup.rs installs it"),
        ("echo cargo 1.75.0", "this is 1.75.0: rustup update brings a newer one; https://rustup.rs installs it"),
        ("echo cargo 1.94.1-nightly", "this is 1.94.1-nightly: rustup update brings a newer one"),
        ("echo cargo 1.100.0", "a C compiler that links, and there is no cc here: on Debian and Ubuntu"),
    ],
)
def test_where_the_crate_cannot_be_built_one_line_says_why(checkout: Path, cargo: str | None, why: str) -> None:
    if cargo is not None:
        script(checkout.parent / "bin/cargo", cargo)
    for target in ("native", "lint-native"):
        made = make(checkout, target)
        assert made.returncode == 2
        first, last = made.stderr.splitlines()
        assert first.startswith(f"apps/native needs Rust 1.95 or newer, and {why}")
        assert "Error 1" in last, "make's own"
    assert calls(checkout) == [], "nothing was fetched"


def test_lint_leaves_the_crate_out_where_rust_is_not_installed(checkout: Path) -> None:
    for program in ("ruff", "mypy", "lint-imports", "shellcheck"):
        script(checkout / ".venv/bin" / program, "true")
    made = make(checkout, "lint")
    assert made.returncode == 0, made.stderr
    last = made.stdout.splitlines()[-1]
    assert last.startswith("Left out: apps/native needs Rust 1.95 or newer, and there is no cargo here")

    install_rust(checkout)
    made = make(checkout, "lint")
    assert made.returncode == 0, made.stderr
    assert [each.split()[1] for each in calls(checkout) if each.startswith("cargo")] == ["fmt", "clippy", "test"]
