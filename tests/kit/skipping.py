"""Skipping a test for what a machine does not have. CI has everything, so there it is a failure."""

import os
from typing import NoReturn

import pytest


def skip(reason: str) -> NoReturn:
    """Skip the test and say why; with CI=true in the environment fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing: {reason}", pytrace=False)
    pytest.skip(reason)
