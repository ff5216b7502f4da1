"""Rules and members from a folder: changes are seen, and a file that can't be used changes nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clickstream_scenarios.files import Folder
from clickstream_scenarios.member import Member

_writes = iter(range(1, 10_000))


def scenario(number: int = 5, **changes: Any) -> dict[str, Any]:
    return {"scenario_id": number, "title": "t", **changes}


def write(file: Path, content: Any) -> None:
    """Write a file whose time of change differs from any before."""
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    os.utime(file, (next(_writes), next(_writes)))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_scenarios_are_found_with_their_versions(folder: Folder, tmp_path: Path) -> None:
    write(tmp_path / "one.json", scenario(version=3))
    write(tmp_path / "more.json", [scenario(6), scenario(7, active=False)])
    assert folder.waits_for() == f"the scenarios in {tmp_path}"
    folder.look()
    assert folder.waits_for() == ""
    found = {number: folder.scenario(number) for number in (5, 6, 7, 8)}
    assert {number: (each.version, each.active) for number, each in found.items() if each} == {
        5: (3, True),
        6: (1, True),
        7: (1, False),
    }


def test_a_change_is_seen_and_what_did_not_change_stays_the_same_object(folder: Folder, tmp_path: Path) -> None:
    write(tmp_path / "a.json", [scenario(5), scenario(6)])
    folder.look()
    five, six = folder.scenario(5), folder.scenario(6)
    write(tmp_path / "a.json", [scenario(5, title="new", version=2), scenario(6)])
    folder.look()
    assert folder.scenario(5) != five
    assert folder.scenario(6) is six
    (tmp_path / "a.json").unlink()
    folder.look()
    assert folder.scenario(5) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not JSON"),
        ([scenario(title="")], "title: must be text"),
        ([scenario(version=0)], "version 0: expected a whole number from 1 on"),
        ([scenario(active="yes")], "active 'yes': expected true or false"),
        ([5], "expected an object with scenario_id"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_and_changes_nothing(
    folder: Folder, tmp_path: Path, content: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.json", scenario(version=2))
    folder.look()
    write(tmp_path / "a.json", content)
    folder.look()
    found = folder.scenario(5)
    assert found
    assert found.version == 2
    assert f"{tmp_path / 'a.json'}: " in caplog.text
    assert why in caplog.text


def test_of_two_files_with_the_same_scenario_the_first_counts(
    folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.json", scenario(version=2))
    write(tmp_path / "b.json", scenario(version=3))
    folder.look()
    found = folder.scenario(5)
    assert found
    assert found.version == 2
    assert "scenario 5 is in another file too" in caplog.text


async def test_members_come_from_a_csv_file(folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ["﻿member_id,gender,birth_date,grade", "1,male,1990-05-01,gold", "2,,,", "3,FEMALE,1.5.1990,", "4,MALE"]
    write(tmp_path / "members.csv", "\n".join(rows))
    folder.look()
    found = await folder.find({"1", "2", "3", "4"})
    assert found["1"] is not None
    assert found["1"].attributes == {"grade": "gold"}
    assert (found["2"], found["3"], found["4"]) == (Member("2"), None, None)
    assert "row 4 is left out: birth_date '1.5.1990'" in caplog.text
    assert "row 5 is left out: it has more or fewer fields" in caplog.text


async def test_members_without_their_column_are_no_members(
    folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "members.csv", "id,gender\n1,MALE")
    folder.look()
    assert await folder.find({"1"}) == {"1": None}
    assert "its first line must name the columns, member_id among them" in caplog.text
