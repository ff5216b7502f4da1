"""Skips a test that needs what the machine lacks. CI has everything, so there it fails."""

import os
from typing import NoReturn

import pytest


def skip(reason: str) -> NoReturn:
    """Skip the test and say why; with CI=true in the environment fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing: {reason}", pytrace=False)
    pytest.skip(reason)
