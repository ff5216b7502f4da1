"""Where the benchmarks keep what they make: below .local/bench of the repository, which git ignores."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
KEPT = ROOT / ".local" / "bench"

PYTHON = Path(sys.executable)
"""The Python of .venv, which has the apps."""

PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
"""The Python of .venv-bench, which has the peers (bench/requirements.lock)."""


def peers_are_missing() -> str:
    """Say what to do when the peers are not installed; an empty text when they are."""
    return "" if PEERS_PYTHON.exists() else "the peers are not installed: run `make bench`, which makes .venv-bench"
