"""Members in the database: found by many ids at once, and written in batches."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import Engine, Insert, func, insert, select
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from clickstream_scenarios.database import failure
from clickstream_scenarios.member import Member
from clickstream_scenarios.models import ChangeRow, MemberRow

IMPORTED = "members imported"
IDS_IN_A_QUERY = 1000


def find_members(engine: Engine, member_ids: Sequence[str]) -> dict[str, Member]:
    """Return those of the members that there are, a query for each thousand ids. Raises DatabaseAway."""
    table = MemberRow.__table__.c
    remaining = iter(member_ids)
    found: dict[str, Member] = {}
    try:
        with engine.connect() as connection:
            while part := list(islice(remaining, IDS_IN_A_QUERY)):
                query = select(table.member_id, table.gender, table.birth_date, table.attributes)
                for row in connection.execute(query.where(table.member_id.in_(part))):
                    found[row.member_id] = Member(*row)
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error
    return found


def write_members(engine: Engine, members: Sequence[Member]) -> None:
    """Add the members, or replace those that are there, in one transaction. Raises DatabaseAway."""
    # Of two with one id the later holds, as if they were written one after the other.
    rows = list({member.member_id: vars(member) for member in members}.values())
    if not rows:
        return
    try:
        with engine.begin() as connection:
            connection.execute(_upsert(connection.dialect.name), rows)
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error


def announce_import(engine: Engine, by: str, detail: str) -> None:
    """Record an import of members, which empties the caches. Raises DatabaseAway."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    row: Mapping[str, object] = {"action": IMPORTED, "changed_at": moment, "changed_by": by, "detail": detail[:500]}
    try:
        with engine.begin() as connection:
            connection.execute(insert(ChangeRow).values(row))
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error


def count_members(engine: Engine) -> int:
    """Return how many members there are. Raises DatabaseAway."""
    try:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(MemberRow)) or 0
    except (SQLAlchemyError, OSError) as error:
        raise failure(error) from error


def _upsert(dialect: str) -> Insert:
    names = tuple(_changed())
    if dialect == "sqlite":
        statement = sqlite.insert(MemberRow)
        return statement.on_conflict_do_update(
            index_elements=["member_id"], set_={name: statement.excluded[name] for name in names}
        )
    into = mysql.insert(MemberRow)
    return into.on_duplicate_key_update({name: into.inserted[name] for name in names})


def _changed() -> Iterator[str]:
    return (column.name for column in MemberRow.__table__.columns if not column.primary_key)
