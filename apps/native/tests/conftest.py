"""The way to the reference and the mutations beside this file, and what the tests share."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def peak_memory() -> Callable[[], int]:
    """The largest resident size of this process so far, in bytes."""
    return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
