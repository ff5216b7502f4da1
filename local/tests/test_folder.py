"""The folder that data and logs go to, and what is said of one that can't be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream_local.errors import FolderUnusable
from clickstream_local.folder import prepare_folder


def test_the_folder_is_made_with_its_logs(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b" / "logs"
    assert prepare_folder(tmp_path / "a" / "b").is_dir()


def test_a_folder_that_is_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()

    with pytest.raises(FolderUnusable, match=r"taken/logs: Not a directory, .*--local-directory"):
        prepare_folder(tmp_path / "taken")


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match="xxx/logs: File name too long, .*--local-directory"):
        prepare_folder(tmp_path / ("x" * 300))


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match=r"udcff': this path is not UTF-8"):
        prepare_folder(tmp_path / os.fsdecode(b"\xff"))


@pytest.mark.parametrize("name", [".", "lock", "kafka/data"])
def test_what_an_earlier_user_left_is_refused_with_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kafka/data").mkdir(parents=True)
    (tmp_path / "lock").touch()
    refused = tmp_path / name
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != refused)  # for root everything is writable

    with pytest.raises(FolderUnusable, match="no write permission, .*--local-directory"):
        prepare_folder(tmp_path)


def test_an_unusable_folder_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "clickstream_local", "--local-directory", str(tmp_path / ("x" * 300))]
    ran = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, encoding="utf-8", check=False)

    assert (ran.returncode, ran.stderr) == (1, "")
    (line,) = ran.stdout.splitlines()
    assert line.startswith("✗ ")
