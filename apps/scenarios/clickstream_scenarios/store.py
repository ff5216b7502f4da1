"""The sources that the stream asks, on a database and perhaps Redis."""

from dataclasses import dataclass

from clickstream_scenarios.cache import Cache, CacheSettings, client
from clickstream_scenarios.database import DatabaseSettings, connect
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.stored_members import StoredMembers
from clickstream_scenarios.stored_rules import StoredRules


@dataclass(frozen=True)
class StoreSettings:
    """Where scenarios and members are."""

    database: DatabaseSettings
    cache: CacheSettings


def open_sources(settings: StoreSettings) -> tuple[StoredRules, StoredMembers]:
    """Return the scenarios and members of the database. Nothing is connected yet."""
    engine = connect(settings.database)
    cache = Cache(client(settings.cache))
    state = DatabaseState()
    rules = StoredRules(engine, cache, state)
    return rules, StoredMembers(engine, cache, state, lambda: rules.imports)
