"""Working files in TMPDIR: gone after a command, and after a killed one with the next."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clickstream_archive.scratch import scratch_folder

HOLD = """
import sys
from clickstream_archive.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "spilled").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_uses_is_not(temporary: Path) -> None:
    killed, running = (
        subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    with killed, running:
        assert killed.stdout is not None
        assert running.stdout is not None
        left, used = Path(killed.stdout.readline().strip()), Path(running.stdout.readline().strip())
        killed.kill()
        killed.wait()
        assert (left / "spilled").exists()

        with scratch_folder() as folder:
            assert set(temporary.iterdir()) == {used, folder}
        assert list(temporary.iterdir()) == [used]
        assert running.stdin is not None
        running.stdin.close()
    assert list(temporary.iterdir()) == []


def test_files_and_links_of_that_name_and_other_folders_stay(temporary: Path) -> None:
    (temporary / "kept").mkdir()
    (temporary / "clickstream-archive-work-link").symlink_to(temporary / "kept")
    (temporary / "clickstream-archive-work-file").write_text("x")
    (temporary / "clickstream-archive-backup").mkdir()
    before = set(temporary.iterdir())

    with scratch_folder():
        pass

    assert set(temporary.iterdir()) == before
