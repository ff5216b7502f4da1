"""`clickstream-scenarios migrate`: brings the tables up to date; before a rollout, and as often as one likes."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickstream_core.logs import configure_logs
from clickstream_core.settings import duration, read_settings, setting
from clickstream_scenarios.database import DatabaseAway, connect
from clickstream_scenarios.failed import failed
from clickstream_scenarios.migrating import ANSWER_S, migrate
from clickstream_scenarios.store_settings import DatabaseSettings


@dataclass(frozen=True)
class MigrateSettings:
    """The database, and how long it is waited for."""

    database: DatabaseSettings
    patience_ms: int = setting(
        "DATABASE_PATIENCE",
        parse=duration(minimum="0s", maximum="1h"),
        default="1m",
        help="how long a database that is away is waited for",
    )


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 1 when the database is away or refuses."""
    settings = read_settings(
        MigrateSettings,
        prog="clickstream-scenarios migrate",
        description="Makes the tables of scenarios and members, or changes them to what this version needs.",
        argv=argv,
    )
    settings.database.required()
    configure_logs("WARNING", "text", "clickstream-scenarios")
    engine = connect(settings.database, ANSWER_S)
    try:
        before, after = migrate(engine, settings.patience_ms / 1000)
    except DatabaseAway as error:
        return failed("migrate", error)
    finally:
        engine.dispose()
    if before == after:
        print(f"The tables are up to date ({after}).")
    else:
        print(f"The tables are at {after} now; they were at {before}." if before else f"The tables are made ({after}).")
    return 0
