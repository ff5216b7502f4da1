"""What the processor's tests share: the way to the files beside this one, and the implementations that count."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import counted_by


@pytest.fixture(params=counted_by.INSTALLED, scope="module")
def each_counting(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with each implementation that is installed."""
    counted_by.chosen.append(request.param)
    yield request.param
    counted_by.chosen.pop()
