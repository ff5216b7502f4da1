"""The benchmarks' folder for generated files: .local/bench of the repository, which git ignores."""

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
    """Return what to do if the peers are not installed, "" if they are."""
    return "" if PEERS_PYTHON.exists() else "the peers are not installed: run `make bench`, which makes .venv-bench"
