"""Programs that a user would run: setup.sh, cleanup.sh, helm, kubectl."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str, deadline_seconds: float = 300) -> str:
    """Run the program at the repository's root and return what it printed, errors included.

    Raises AssertionError with all of that when it fails or does not end.
    """
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=deadline_seconds
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout
        raise AssertionError(f"{' '.join(command)}: not done after {deadline_seconds:g} s:\n{printed}") from error
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}:\n{done.stdout}"
    return done.stdout
