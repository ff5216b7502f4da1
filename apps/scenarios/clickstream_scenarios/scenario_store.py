"""Scenarios in the database, with every version that they have had, and who changed what.

A change names the version that it was made on. If another came first, it is refused with that one, so that an editor
never overwrites what she has not seen. Scenarios are deactivated and never deleted: results name their versions.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from clickstream_scenarios.database import failure
from clickstream_scenarios.errors import InvalidScenario
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_store import IMPORTED
from clickstream_scenarios.models import MAX_NAME_LENGTH, ChangeRow, MemberRow, ScenarioRow, VersionRow
from clickstream_scenarios.scenario import Scenario, read_scenario, scenario_json

CREATED, EDITED, RESTORED, DEACTIVATED, ACTIVATED = "created", "edited", "restored", "deactivated", "activated"

_BATCH_ROWS = 2000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """A version of a scenario, and who made it when (UTC)."""

    scenario: Scenario
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True)
class Change:
    """Who did what when (UTC)."""

    action: str
    version: int | None
    changed_at: datetime
    changed_by: str
    detail: str


@dataclass(frozen=True)
class Revision:
    """What the caches were filled from. Each change of a scenario and each import of members makes another."""

    scenarios: int
    versions: int
    imports: int


class NoSuchScenario(Exception):
    """There is no scenario with this id."""


class ScenarioExists(Exception):
    """There is a scenario with this id already."""


class VersionConflict(Exception):
    """Somebody changed the scenario in between; `current` is what holds now."""

    def __init__(self, current: Stored) -> None:
        super().__init__(f"version {current.scenario.version} is newer")
        self.current = current


def revision(engine: Engine) -> Revision:
    """Return the revision of what the database has. Raises DatabaseAway."""
    with _reading(engine) as connection:
        return _revision(connection)


def load_scenarios(engine: Engine) -> tuple[Revision, list[Stored]]:
    """Return all scenarios by id, the inactive ones too, and a revision that is not newer. Raises DatabaseAway.

    A row that is no scenario, which only another program can have written, is left out and logged.
    """
    table = ScenarioRow.__table__
    with _reading(engine) as connection:
        seen = _revision(connection)
        rows = connection.execute(select(table).order_by(table.c.scenario_id)).all()
    return seen, list(filter(None, map(_readable, rows)))


def get_scenario(engine: Engine, scenario_id: int) -> Stored:
    """Return a scenario as it holds now. Raises NoSuchScenario and DatabaseAway."""
    with _reading(engine) as connection:
        return _current(connection, scenario_id)


def get_versions(engine: Engine, scenario_id: int) -> list[Stored]:
    """Return the versions of a scenario, the newest first. Raises NoSuchScenario and DatabaseAway."""
    table = VersionRow.__table__
    query = select(table).where(table.c.scenario_id == scenario_id).order_by(table.c.version.desc())
    with _reading(engine) as connection:
        rows = connection.execute(query).all()
    if not rows:
        raise NoSuchScenario
    return list(filter(None, map(_readable, rows)))


def get_changes(engine: Engine, scenario_id: int) -> list[Change]:
    """Return who changed a scenario and how, the newest first. Raises DatabaseAway."""
    table = ChangeRow.__table__.c
    query = select(table.action, table.version, table.changed_at, table.changed_by, table.detail)
    query = query.where(table.scenario_id == scenario_id).order_by(table.change_id.desc())
    with _reading(engine) as connection:
        return [Change(*row) for row in connection.execute(query)]


def scenario_ids(engine: Engine) -> list[int]:
    """Return the ids of all scenarios, the inactive ones too. Raises DatabaseAway."""
    with _reading(engine) as connection:
        return list(connection.scalars(select(ScenarioRow.scenario_id).order_by(ScenarioRow.scenario_id)))


def free_id(engine: Engine) -> int:
    """Return the id above the highest. Raises DatabaseAway."""
    with _reading(engine) as connection:
        return (connection.scalar(select(func.max(ScenarioRow.scenario_id))) or 0) + 1


def create_scenario(engine: Engine, scenario: Scenario, by: str, now: datetime) -> Stored:
    """Add a scenario in its first version. Raises ScenarioExists and DatabaseAway."""
    made = Stored(replace(scenario, version=1), _utc(now), by[:MAX_NAME_LENGTH])
    try:
        with _writing(engine) as connection:
            connection.execute(insert(ScenarioRow), _values(made))
            _record(connection, made, CREATED, "")
    except IntegrityError as error:
        raise ScenarioExists from error
    return made


def fill_empty(
    engine: Engine, scenarios: Sequence[Scenario], members: Iterator[Member], by: str, now: datetime
) -> bool:
    """Write all of them in one transaction, if there is no scenario and no member yet; return whether it did.

    Raises DatabaseAway.
    """
    try:
        with _writing(engine) as connection:
            for table in (ScenarioRow, MemberRow):
                if connection.execute(select(table.__table__).limit(1)).first() is not None:
                    return False
            while batch := list(islice(members, _BATCH_ROWS)):
                connection.execute(insert(MemberRow), [vars(each) for each in batch])
            for each in scenarios:
                made = Stored(replace(each, version=1), _utc(now), by[:MAX_NAME_LENGTH])
                connection.execute(insert(ScenarioRow), _values(made))
                _record(connection, made, CREATED, "")
    except IntegrityError:
        return False  # another program was faster
    return True


def save_scenario(
    engine: Engine, scenario: Scenario, based_on: int, by: str, now: datetime, restored: int | None = None
) -> Stored:
    """Make `scenario` the version after `based_on`; return what holds then. Without a difference nothing changes.

    `restored` is the earlier version that it was taken from, for the history. Raises NoSuchScenario, VersionConflict
    and DatabaseAway.
    """
    with _reading(engine) as connection:
        current = _current(connection, scenario.scenario_id)
    if current.scenario.version != based_on:
        raise VersionConflict(current)
    if current.scenario == replace(scenario, version=based_on):
        return current
    made = Stored(replace(scenario, version=based_on + 1), _utc(now), by[:MAX_NAME_LENGTH])
    action, detail = (EDITED, "") if restored is None else (RESTORED, f"version {restored}")
    if restored is None and scenario.active != current.scenario.active:
        action = ACTIVATED if scenario.active else DEACTIVATED
    table = ScenarioRow.__table__.c
    here = (table.scenario_id == scenario.scenario_id) & (table.version == based_on)
    with _writing(engine) as connection:
        changed = connection.execute(update(ScenarioRow).where(here).values(_values(made))).rowcount
        if changed:
            _record(connection, made, action, detail)
    if not changed:
        raise VersionConflict(get_scenario(engine, scenario.scenario_id))
    return made


def _record(connection: Connection, made: Stored, action: str, detail: str) -> None:
    connection.execute(insert(VersionRow), _values(made))
    change = {"action": action, "scenario_id": made.scenario.scenario_id, "version": made.scenario.version}
    change |= {"changed_at": made.changed_at, "changed_by": made.changed_by, "detail": detail}
    connection.execute(insert(ChangeRow), change)


def _values(stored: Stored) -> dict[str, Any]:
    scenario = stored.scenario
    return {
        "scenario_id": scenario.scenario_id,
        "version": scenario.version,
        "active": scenario.active,
        "definition": scenario_json(scenario),
        "changed_at": stored.changed_at,
        "changed_by": stored.changed_by,
    }


def _revision(connection: Connection) -> Revision:
    table = ScenarioRow.__table__.c
    count, versions = connection.execute(select(func.count(), func.sum(table.version))).one()
    imports = select(func.count()).select_from(ChangeRow).where(ChangeRow.action == IMPORTED)
    return Revision(count, int(versions or 0), connection.scalar(imports) or 0)


def _current(connection: Connection, scenario_id: int) -> Stored:
    table = ScenarioRow.__table__
    row = connection.execute(select(table).where(table.c.scenario_id == scenario_id)).one_or_none()
    if row is None:
        raise NoSuchScenario
    return _stored(row)


def _readable(row: Row[Any]) -> Stored | None:
    try:
        return _stored(row)
    except InvalidScenario as error:
        _log.error("Version %d of scenario %d in the database is left out: %s", row.version, row.scenario_id, error)
        return None


def _stored(row: Row[Any]) -> Stored:
    scenario = read_scenario(row.definition, version=row.version, active=row.active)
    if scenario.scenario_id != row.scenario_id:
        scenario = replace(scenario, scenario_id=row.scenario_id)
    return Stored(scenario, row.changed_at, row.changed_by)


def _utc(now: datetime) -> datetime:
    """The databases' moments have no zone."""
    return now.astimezone(UTC).replace(tzinfo=None)


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error
