"""Scenarios and members from a folder: for a small site, for trying out, and for tests.

Each `*.json` holds a scenario, or a list of them; its `version` (1 without) stands in the results, so count it up with
a change. `members.csv` has the columns `member_id`, `gender`, `birth_date`, and any others as attributes. The folder
is looked at every second. A file that can't be used is named in the log, and what it held before stays.
"""

import asyncio
import csv
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from clickstream_scenarios.errors import InvalidMember, InvalidScenario
from clickstream_scenarios.member import Member, read_member
from clickstream_scenarios.scenario import MAX_ID, Scenario, read_scenario

MEMBERS = "members.csv"
_INTERVAL_S = 1.0
_COLUMNS = ("member_id", "gender", "birth_date")
_FURTHER = "\0"  # the key of fields that have no column

_log = logging.getLogger(__name__)


class UnusableFile(ValueError):
    """A file of the folder can't be used; the message names it and says why."""


class Folder:
    """The rules and members of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._of_file: dict[Path, dict[int, Scenario]] = {}
        self._scenarios: dict[int, Scenario] = {}
        self._members: dict[str, Member] = {}
        self._loaded = False
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the folder, and look at it every second."""
        if self._looking is None:
            self.look()
            self._looking = asyncio.create_task(self._keep_looking(), name=f"looks at {self._folder}")

    async def close(self) -> None:
        """Stop looking."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    def waits_for(self) -> str:
        """Return "": the folder is read at the start."""
        return "" if self._loaded else f"the scenarios in {self._folder}"

    def scenario(self, scenario_id: int) -> Scenario | None:
        """Return a scenario, or None."""
        return self._scenarios.get(scenario_id)

    async def find(self, member_ids: Collection[str]) -> Mapping[str, Member | None]:
        """Return the members, None for those that the file does not have."""
        return {each: self._members.get(each) for each in member_ids}

    def look(self) -> None:
        """Read what changed since the last look."""
        files = {file: stamp for file in sorted(self._folder.glob("*.json")) if (stamp := _stamp(file)) is not None}
        members = self._folder / MEMBERS
        stamp = _stamp(members)
        if stamp is not None:
            files[members] = stamp
        changed = [file for file in files if self._stamps.get(file) != files[file]]
        gone = self._stamps.keys() - files.keys()
        self._stamps = files
        for file in (*changed, *gone):
            try:
                self._read(file, file in gone)
            except (UnusableFile, OSError) as error:
                _log.warning("%s; what it held before stays", error)
        if changed or gone:
            self._merge()
        self._loaded = True

    def _read(self, file: Path, gone: bool) -> None:
        if file.name == MEMBERS:
            self._members = {} if gone else read_members(file)
        elif gone:
            self._of_file.pop(file, None)
        else:
            self._of_file[file] = {each.scenario_id: each for each in read_scenarios(file)}

    def _merge(self) -> None:
        """Keep the object of a scenario that did not change; of two files with the same id the first counts."""
        merged: dict[int, Scenario] = {}
        for file, scenarios in sorted(self._of_file.items()):
            for scenario_id, scenario in scenarios.items():
                if scenario_id in merged:
                    _log.warning("%s: scenario %d is in another file too, which counts", file, scenario_id)
                    continue
                before = self._scenarios.get(scenario_id)
                merged[scenario_id] = before if before is not None and before == scenario else scenario
        self._scenarios = merged

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                self.look()
            except OSError as error:
                _log.warning("can't look at %s (%s); what it held before stays", self._folder, error)


def read_scenarios(file: Path) -> Iterator[Scenario]:
    """Return the scenarios of a file. Raises UnusableFile."""
    try:
        value = msgspec.json.decode(file.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableFile(f"{file}: not JSON: {error}") from error
    for each in value if isinstance(value, list) else [value]:
        try:
            yield _versioned(each)
        except (InvalidScenario, UnusableFile) as error:
            raise UnusableFile(f"{file}: {error}") from error


def read_members(file: Path) -> dict[str, Member]:
    """Return the members of a CSV file by id; a row that can't be used is named in the log. Raises UnusableFile."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, restkey=_FURTHER)
            if "member_id" not in (rows.fieldnames or ()):
                raise UnusableFile(f"{file}: its first line must name the columns, member_id among them")
            members = {}
            for number, row in enumerate(rows, start=2):
                try:
                    member = _member(row)
                except InvalidMember as error:
                    _log.warning("%s, row %d is left out: %s", file, number, error)
                    continue
                members[member.member_id] = member
            return members
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnusableFile(f"{file}: no CSV file in UTF-8: {error}") from error


def _versioned(value: Any) -> Scenario:
    version: Any = value.get("version", 1) if isinstance(value, dict) else 1
    active: Any = value.get("active", True) if isinstance(value, dict) else True
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= MAX_ID:
        raise UnusableFile(f"version {version!r}: expected a whole number from 1 on")
    if not isinstance(active, bool):
        raise UnusableFile(f"active {active!r}: expected true or false")
    return read_scenario(value, version=version, active=active)


def _member(row: Mapping[str, Any]) -> Member:
    if _FURTHER in row or None in row.values():
        raise InvalidMember("it has more or fewer fields than the first line names")
    attributes = {name: value for name, value in row.items() if name not in _COLUMNS}
    return read_member(row["member_id"], row.get("gender"), row.get("birth_date"), attributes)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
