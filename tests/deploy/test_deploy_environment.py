"""The virtual environment of setup.sh and cleanup.sh: made once, and what is said where it can't be."""

import os
from pathlib import Path

import pytest

from clickstream_deploy import environment
from clickstream_deploy.errors import EndedError


@pytest.fixture
def entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run in the environment, in a folder of its own; the lock file asks for nothing."""
    commands: list[list[str]] = []
    (tmp_path / "requirements.lock").touch()
    monkeypatch.setattr(environment, "FOLDER", tmp_path / ".venv-deploy")
    monkeypatch.setattr(environment, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return commands


def test_it_is_made_once_and_again_when_the_lock_file_changes(
    entered: list[list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        environment.enter("module", ["setup.sh", "--dry-run"])
    python = str(tmp_path / ".venv-deploy/bin/python")
    assert entered == [[python, "-P", "-m", "module", "setup.sh", "--dry-run"]] * 2
    assert capfd.readouterr().out.count("Preparing .venv-deploy with Python 3.") == 1
    assert not environment.is_current(), "the tests run in another"

    environment.LOCK.write_text("kubernetes==37.0.2 --hash=sha256:00\n")
    with pytest.raises(
        EndedError, match="could not be installed into .venv-deploy: see above. It is fetched the first"
    ):
        environment.enter("module", [])
    assert len(entered) == 2


def test_a_folder_in_which_it_cannot_be_made_is_named(
    entered: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "a:b" / ".venv-deploy")
    with pytest.raises(EndedError, match="a:b, which has a colon in its path"):
        environment.enter("module", [])
    assert entered == []
