import threading
from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.migrating import migrate, newest
from clickstream_scenarios.models import Base


def test_a_migration_makes_the_tables_and_a_second_one_changes_nothing(
    url: str, open_database: Callable[[str], Engine]
) -> None:
    assert migrate(open_database(url)) == ("", newest())
    assert migrate(open_database(url)) == (newest(), newest())


def test_the_migrations_make_what_the_models_say(database: Engine) -> None:
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_migration_that_was_cut_off_is_repeated(url: str, open_database: Callable[[str], Engine]) -> None:
    engine = open_database(url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE member"))
        connection.execute(text("DELETE FROM alembic_version"))
    assert migrate(engine) == ("", newest())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM member")).all() == []


def test_two_migrations_at_a_time_wait_for_each_other(url: str, open_database: Callable[[str], Engine]) -> None:
    found: list[tuple[str, str]] = []
    both = [threading.Thread(target=lambda: found.append(migrate(open_database(url)))) for _ in range(4)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(found) == [("", newest()), *[(newest(), newest())] * 3]


def test_a_database_that_is_away_is_waited_for(open_database: Callable[[str], Engine]) -> None:
    waits: list[float] = []
    with pytest.raises(DatabaseAway, match="^the database is away: Can't connect to .*Connection refused"):
        migrate(open_database("mariadb://user@127.0.0.1:1/none"), 0.0001, waits.append)
    assert waits == []


@pytest.mark.parametrize(("attribute", "value"), [("server_version_info", (10, 6, 12))])
def test_an_older_mariadb_is_refused(
    database: Engine, monkeypatch: pytest.MonkeyPatch, attribute: str, value: object
) -> None:
    if database.dialect.name == "sqlite":
        assert migrate(database)
        return
    monkeypatch.setattr(database.dialect, attribute, value)
    with pytest.raises(DatabaseAway, match="^MariaDB 10.6.12 is too old: 10.11 or newer is needed$"):
        migrate(database)
