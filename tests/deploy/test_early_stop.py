"""The images' sitecustomize.py: SIGTERM before the app has a handler of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SITECUSTOMIZE = Path(__file__).parents[2] / "deploy/image/sitecustomize.py"
# A process that believes to be the container's first, or not, runs the module and is then busy with its imports.
STARTING = """
import os, runpy, sys, time
os.getpid = lambda: int(sys.argv[1])
runpy.run_path(sys.argv[2])
print("importing", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("pid", "status"), [(1, 0), (2, -signal.SIGTERM)])
def test_only_the_first_process_of_a_container_leaves_with_success(pid: int, status: int) -> None:
    command = [sys.executable, "-c", STARTING, str(pid), str(SITECUSTOMIZE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.terminate()
        assert process.wait(timeout=30) == status
