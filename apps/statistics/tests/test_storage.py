import threading
from pathlib import Path

from clickstream_statistics.storage import Folder


def test_of_all_that_create_a_file_at_once_one_does(tmp_path: Path) -> None:
    folder, path = Folder(), f"file://{tmp_path}/a/b.json"
    begin, made = threading.Barrier(8), []

    def create(number: int) -> None:
        begin.wait()
        if folder.create(path, str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert folder.read(path) == str(made[0]).encode()
    assert folder.names(f"file://{tmp_path}/a") == ["b.json"], "nothing is left beside it"


def test_a_published_file_stays_as_it_is(tmp_path: Path) -> None:
    folder = Folder()
    for content in ("first", "again"):
        (tmp_path / "staged").write_text(content)
        folder.publish(f"file://{tmp_path}/staged", f"file://{tmp_path}/year=2026/x.parquet")
    assert (tmp_path / "year=2026" / "x.parquet").read_text() == "first"
    assert [each.name for each in (tmp_path / "year=2026").iterdir()] == ["x.parquet"]


def test_replacing_removes_hadoops_checksum(tmp_path: Path) -> None:
    (tmp_path / "7").write_text("old")
    (tmp_path / ".7.crc").write_text("sum")
    Folder().replace(f"file://{tmp_path}/7", b"new")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("7", "new")]


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    folder, path = Folder(), f"file://{tmp_path}/none"
    assert folder.read(path) is None
    assert folder.names(path) == []
    folder.delete(path)
