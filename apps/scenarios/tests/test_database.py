import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickstream_core.errors import SettingsError
from clickstream_scenarios.database import DatabaseAway, address, connect
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario_store import load_scenarios, revision
from clickstream_scenarios.store_settings import DatabaseSettings
from kit.mariadb import MariaDB


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("mariadb://u@h/n", "mariadb+pymysql://u@h/n?charset=utf8mb4"),
        ("mysql://u@h:3307/n?charset=latin1", "mariadb+pymysql://u@h:3307/n?charset=latin1"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_an_address_gets_its_driver(url: str, driver: str) -> None:
    assert address(url).render_as_string() == driver


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mariadb://u:s3cret@h",
        "postgresql://u:s3cret@h/n",
        "sqlite://",
        "mariadb:///x",
        "mariadb://u:s3cret@h:x/n",
    ],
)
def test_a_wrong_address_is_refused_and_shows_no_password(url: str) -> None:
    with pytest.raises(SettingsError, match="expected mariadb://USER@HOST:3306/NAME or sqlite:///FILE") as error:
        DatabaseSettings(url=url).validate()
    assert "s3cret" not in str(error.value)


def test_each_refusal_of_the_server_says_what_to_look_at(
    mariadb_server: MariaDB, open_database: Callable[[str], Engine]
) -> None:
    mariadb_server.make_database("refusals")
    refusals = {
        mariadb_server.url("refusals", "wrong"): "it refuses the password or the user",
        mariadb_server.url("elsewhere"): "its user may not use this database",
        mariadb_server.url("refusals"): "its tables are missing: run clickstream-scenarios migrate",
    }
    for url, why in refusals.items():
        with pytest.raises(DatabaseAway, match=f"^the database is away: {why} "):
            revision(open_database(url))


def test_a_file_without_tables_says_what_to_run(tmp_path: Path, open_database: Callable[[str], Engine]) -> None:
    with pytest.raises(DatabaseAway, match="its tables are missing: run clickstream-scenarios migrate"):
        revision(open_database(f"sqlite:///{tmp_path}/empty.db"))


def test_a_new_password_in_its_file_holds_without_a_restart(mariadb_server: MariaDB, tmp_path: Path) -> None:
    mariadb_server.make_database("passwords")
    mariadb_server.run("CREATE USER changing@'%' IDENTIFIED BY 'first'", "GRANT ALL ON passwords.* TO changing@'%'")
    file = tmp_path / "password"
    file.write_text("first\n")
    url = f"mariadb://changing@127.0.0.1:{mariadb_server.port}/passwords"
    engine = connect(DatabaseSettings(url=url, password_file=file))
    migrate(engine)
    mariadb_server.run("ALTER USER changing@'%' IDENTIFIED BY 'second'")
    engine.dispose()
    with pytest.raises(DatabaseAway, match="refuses the password"):
        revision(engine)
    file.write_text("second\n")
    assert revision(engine).scenarios == 0
    engine.dispose()


def test_a_killed_server_is_used_again_when_it_is_back(
    own_mariadb: MariaDB, open_database: Callable[[str], Engine]
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    migrate(engine)
    own_mariadb.kill()
    with pytest.raises(DatabaseAway, match="Connection refused|Lost connection"):
        load_scenarios(engine)
    own_mariadb.start()
    assert load_scenarios(engine)[1] == []
    own_mariadb.pause()
    started = time.monotonic()
    fresh = connect(DatabaseSettings(url=own_mariadb.url("scenarios")), 1)
    with pytest.raises(DatabaseAway, match="timed out"):
        load_scenarios(fresh)
    assert time.monotonic() - started < 10
    own_mariadb.resume()
    assert load_scenarios(fresh)[1] == []
    fresh.dispose()
