"""The test kit, for the tests of every app."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tests"))
pytest.register_assert_rewrite("kit")
pytest_plugins = ["kit.fixtures"]
