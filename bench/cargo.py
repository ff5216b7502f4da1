"""The Rust contestant: bench/rust, built once below .local/bench/rust with the crates of its crates.lock.

librdkafka is one of them, in C; its build needs a C compiler and make, and takes three to four minutes on 2 busy cores.
"""

import subprocess
import tomllib
from pathlib import Path

from workspace import BENCH, KEPT, ROOT

_CRATE = BENCH / "rust"
_TARGET = KEPT / "rust"
_NAMED = ("hashbrown", "rdkafka-sys", "sonic-rs")


def prepare() -> list[str | Path]:
    """Build it, if not done yet; return the command that runs the contestant. Raises CalledProcessError."""
    program = _TARGET / "release" / "clickstream-windows"
    if not program.exists():
        print("Building bench/rust", flush=True)
    subprocess.run([ROOT / "apps/native/restore-lock.sh", _CRATE], check=True)
    build: list[str | Path] = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", _TARGET]
    subprocess.run(build, cwd=_CRATE, check=True)
    return [program]


def versions() -> list[str]:
    """Its crates that matter, of crates.lock; librdkafka's version is behind the plus sign of rdkafka-sys."""
    locked = tomllib.loads((_CRATE / "crates.lock").read_text(encoding="utf-8"))["package"]
    return sorted({f"{each['name']} {each['version']}" for each in locked if each["name"] in _NAMED})
