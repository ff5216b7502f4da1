import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_statistics.scratch import scratch_folder

HOLD = "import os\nfrom clickstream_statistics.scratch import scratch_folder\nwith scratch_folder() as folder: {}"


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_folder_of_a_driver_that_was_killed_is_removed_by_the_next_start(parent: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", HOLD.format("os.kill(os.getpid(), 9)")], timeout=60)
    assert killed.returncode == -9
    (left,) = parent.iterdir()
    with scratch_folder() as folder:
        assert list(parent.iterdir()) == [Path(folder)], "and it is below TMPDIR"
        assert not left.exists()
        with scratch_folder() as another:
            assert set(parent.iterdir()) == {Path(folder), Path(another)}, "one that is held stays"
    assert not list(parent.iterdir())


def test_what_is_not_surely_a_drivers_stays(parent: Path) -> None:
    (parent / "clickstream-statistics-new").mkdir()
    (parent / "clickstream-statistics-link").symlink_to(parent)
    (parent / "other").mkdir()
    old = parent / "clickstream-statistics-old"
    old.mkdir()
    os.utime(old, (0, 0))
    with scratch_folder():
        assert not old.exists()
    assert {each.name for each in parent.iterdir()} == {
        "clickstream-statistics-new",
        "clickstream-statistics-link",
        "other",
    }


def test_a_tmpdir_that_cant_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/x")
    with pytest.raises(SettingsError, match="set TMPDIR"), scratch_folder():
        pass
