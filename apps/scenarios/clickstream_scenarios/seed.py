"""`clickstream-scenarios seed`: three scenarios and their members for trying out, in an empty database alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from clickstream_core.logs import configure_logs
from clickstream_core.settings import integer, read_settings, setting
from clickstream_scenarios.database import DatabaseAway, connect
from clickstream_scenarios.demo import FIRST_MEMBER, SCENARIOS, members
from clickstream_scenarios.failed import failed
from clickstream_scenarios.scenario_store import fill_empty
from clickstream_scenarios.store_settings import DatabaseSettings

_ANSWER_S = 60
_BY = "demo"


@dataclass(frozen=True)
class SeedSettings:
    """The database, and how many members."""

    database: DatabaseSettings
    users: int = setting(
        "USERS",
        parse=integer(minimum=0, maximum=10_000_000),
        default="100",
        help=f"members, from {FIRST_MEMBER} on: as many as clickstream-producer --kind access-log has USERS",
    )


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 1 when the database is away or refuses."""
    settings = read_settings(
        SeedSettings,
        prog="clickstream-scenarios seed",
        description="Adds three scenarios and made-up members for trying out, if the database has neither.",
        argv=argv,
    )
    settings.database.required()
    configure_logs("WARNING", "text", "clickstream-scenarios")
    engine = connect(settings.database, _ANSWER_S)
    try:
        filled = fill_empty(engine, SCENARIOS, members(settings.users), _BY, datetime.now(UTC))
    except DatabaseAway as error:
        return failed("seed", error)
    finally:
        engine.dispose()
    if filled:
        print(f"{len(SCENARIOS)} demo scenarios and {settings.users:,} members are in the database.")
    else:
        print("The database has scenarios or members already: nothing was changed.")
    return 0
