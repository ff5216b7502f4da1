"""The sources that the stream asks, on a database and perhaps Redis."""

from clickstream_scenarios.cache import Cache, client
from clickstream_scenarios.database import connect
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.store_settings import StoreSettings
from clickstream_scenarios.stored_members import StoredMembers
from clickstream_scenarios.stored_rules import StoredRules


def open_sources(settings: StoreSettings) -> tuple[StoredRules, StoredMembers]:
    """Return the scenarios and members of the database. Nothing is connected yet.

    Raises SettingsError without DATABASE_URL.
    """
    engine = connect(settings.database)
    cache = Cache(client(settings.cache))
    state = DatabaseState()
    rules = StoredRules(engine, cache, state)
    return rules, StoredMembers(engine, cache, state, lambda: rules.imports)
