"""The virtual environment of this package: Python's Kubernetes client, as the lock file says. Made once, and again when
the lock file or the Python changes; without network after that.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from clickstream_deploy.errors import EndedError

_ROOT = Path(__file__).parents[2]
FOLDER = _ROOT / ".venv-deploy"
LOCK = _ROOT / "deploy" / "requirements.lock"


def is_current() -> bool:
    """Whether this Python runs in the environment, and the environment is as the lock file says."""
    return FOLDER.is_dir() and FOLDER.samefile(sys.prefix) and _is_made()


def enter(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run the module in the environment instead of this program. Raises EndedError when it can't be made."""
    python = FOLDER / "bin" / "python"
    if not (python.exists() and _is_made()):
        _make(python)
        (FOLDER / ".installed").write_text(_state())
    os.execv(python, [str(python), "-P", "-m", module, *arguments])


def _is_made() -> bool:
    marker = FOLDER / ".installed"
    return marker.is_file() and marker.read_text() == _state()


def _make(python: Path) -> None:
    name = FOLDER.name
    why = ""
    if ":" in str(FOLDER):
        why = "has a colon in its path, with which Python can't make one"
    elif not os.access(FOLDER.parent, os.W_OK):
        why = "can't be written to"
    if why:
        raise EndedError(f"{name} is made in {FOLDER.parent}, which {why}: move this checkout to a folder of your own")
    print(f"Preparing {name} with Python {sys.version.split()[0]}", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    # The Python that an environment was made with, which this one may be in.
    base = str(getattr(sys, "_base_executable", "") or sys.executable)
    if subprocess.run([base, "-m", "venv", str(FOLDER)], check=False).returncode != 0:
        raise EndedError("python -m venv failed (see above); on Debian and Ubuntu the package python3-venv has it")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    if subprocess.run([*pip, "-r", str(LOCK)], check=False).returncode != 0:
        raise EndedError(
            f"Python's Kubernetes client could not be installed into {name}: see above. It is fetched the first time"
            " only, from the package index that pip is set up for"
        )


def _state() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{version} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}\n"
