import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickstream_core.errors import SettingsError
from clickstream_scenarios import members, migrate
from clickstream_scenarios.import_members import ImportFailed, import_members
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_rows import BadRow
from clickstream_scenarios.member_store import count_members, find_members, write_members
from clickstream_scenarios.migrating import migrate as make_tables
from clickstream_scenarios.scenario_store import revision
from kit.mariadb import MariaDB


def _file(folder: Path, rows: int, header: str = "member_id,gender,birth_date,grade") -> Path:
    file = folder / "members.csv"
    lines = [header, *(f"m{number},MALE,1990-05-01,A{number}" for number in range(rows))]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_an_import_adds_and_replaces_members(database: Engine, tmp_path: Path) -> None:
    write_members(database, [Member("m7", "FEMALE", None, {"old": "yes"}), Member("other")])
    bad: list[BadRow] = []
    file = _file(tmp_path, 4500)
    with file.open("a") as more:
        more.write("\nm1,MALE\nm0,FEMALE,,\nm0,FEMALE,1991-01-01,\n")
    before = revision(database)
    done = import_members(database, file, "kim", bad_row=bad.append)
    assert (done.members, done.bad, bad) == (4502, 1, [BadRow(4502, "it has 2 cells, the first line 4")])
    assert count_members(database) == 4501
    assert find_members(database, ["m7", "m0", "other", "nobody"]) == {
        "m7": Member("m7", "MALE", date(1990, 5, 1), {"grade": "A7"}),
        "m0": Member("m0", "FEMALE", date(1991, 1, 1)),
        "other": Member("other"),
    }
    assert revision(database) != before, "the caches must notice it"


def test_many_members_are_found_with_few_queries(database: Engine) -> None:
    write_members(database, [Member(f"m{number}") for number in range(2500)])
    assert len(find_members(database, [f"m{number}" for number in range(5000)])) == 2500


def test_ids_differ_in_case_accents_and_spaces(database: Engine) -> None:
    ids = ["a", "A", "ä", "가", "a\u00a0"]
    write_members(database, [Member(each, attributes={"id": each}) for each in ids])
    found = find_members(database, ids)
    assert {each: member.attributes["id"] for each, member in found.items()} == {each: each for each in ids}
    assert find_members(database, ["a "]) == {}


def test_a_file_without_members_is_refused(database: Engine, tmp_path: Path) -> None:
    before = revision(database)
    with pytest.raises(ImportFailed, match="must name the column member_id; it names id$"):
        import_members(database, _file(tmp_path, 3, "id"), "kim", bad_row=print)
    with pytest.raises(ImportFailed, match="nothing.csv can't be read: No such file or directory$"):
        import_members(database, tmp_path / "nothing.csv", "kim", bad_row=print)
    assert revision(database) == before


def test_a_database_that_is_killed_during_an_import_is_waited_for(
    own_mariadb: MariaDB, open_database: Callable[[str], Engine], tmp_path: Path
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    make_tables(engine)
    waits: list[float] = []
    file = _file(tmp_path, 6000)
    with file.open("a") as more:
        more.write("\nbad")

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            own_mariadb.start()

    own_mariadb.kill()
    done = import_members(engine, file, "kim", bad_row=lambda row: None, wait=wait)
    assert (done.members, done.bad, len(waits)) == (6000, 1, 2)
    assert count_members(engine) == 6000


def test_a_database_that_stays_away_ends_the_import_with_what_is_in(
    own_mariadb: MariaDB, open_database: Callable[[str], Engine], tmp_path: Path
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    make_tables(engine)
    file = _file(tmp_path, 3000)
    with file.open("a") as more:
        more.write("\nbad\n" + "\n".join(f"x{number},,," for number in range(3000)))

    def kill(row: BadRow) -> None:
        own_mariadb.kill()

    with pytest.raises(ImportFailed, match=r"^the database is away: .*; 2,000 members are in: run the import again$"):
        import_members(engine, file, "kim", bad_row=kill, wait=lambda seconds: None, patience_s=0)


def test_the_commands_print_what_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logging_as_before: None
) -> None:
    address = f"--database-url=sqlite:///{tmp_path}/scenarios.db"
    assert migrate.main([address]) == 0
    assert migrate.main([address]) == 0
    assert capsys.readouterr().out == "The tables are made (0001).\nThe tables are up to date (0001).\n"
    file = _file(tmp_path, 30)
    file.write_bytes(file.read_bytes() + b"\nq,MALE\n" * 30 + "k,,,서울".encode("cp949"))
    report = tmp_path / "bad.csv"
    options = [address, "--encoding", "cp949", f"--bad-rows={report}"]
    assert members.main(["import", str(file), *options]) == 1
    out, err = capsys.readouterr()
    assert out == "31 members imported, 30 bad rows left out.\n"
    assert err.splitlines()[0] == "line 32: it has 2 cells, the first line 4"
    assert err.splitlines()[20] == f"… more bad rows; {report} has all"
    assert len(err.splitlines()) == 21
    assert report.read_text().splitlines()[:2] == ["line,reason", '32,"it has 2 cells, the first line 4"']
    assert len(report.read_text().splitlines()) == 31
    assert members.main(["import", str(tmp_path / "none.csv"), address]) == 1
    assert "none.csv can't be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["import"], ["export", "x"], ["import", "--encoding=x"]])
def test_a_command_without_its_file_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SettingsError, match="expected clickstream-scenarios members import FILE.csv"):
        members.main(arguments)


def test_a_database_in_use_by_two_imports_keeps_both(
    url: str, database: Engine, open_database: Callable[[str], Engine], tmp_path: Path
) -> None:
    file = _file(tmp_path, 4000)
    threads = [
        threading.Thread(target=lambda: import_members(open_database(url), file, "kim", bad_row=lambda row: None))
        for _ in range(3)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (count_members(database), revision(database).imports) == (4000, 3)
