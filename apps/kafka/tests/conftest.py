"""Certificates for the tests of TLS."""

from pathlib import Path

import pytest

from kit.certificates import write_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the PEM files of `write_certificates`."""
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files with other keys: the CA has the same name and signed none of the others."""
    return write_certificates(tmp_path_factory.mktemp("other_certificates"))
