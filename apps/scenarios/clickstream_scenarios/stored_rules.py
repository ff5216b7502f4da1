"""The scenarios of the database, as the stream asks for them: all in memory, compared every two seconds.

The comparison is one small query, whatever the number of scenarios. Redis announces a change at once; without Redis, or
when the announcement is lost, the next comparison finds it. With the database away the last known scenarios hold. A
replica that starts then takes those that Redis keeps.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple

import msgspec
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from clickstream_scenarios.cache import CHANNEL, RULES_KEY, Cache
from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.scenario import Scenario, read_scenario, scenario_json
from clickstream_scenarios.scenario_store import Revision, load_scenarios, revision
from clickstream_scenarios.store_instruments import RULES_AGE, SCENARIOS

_INTERVAL_S = 2.0
_KEPT_IN_REDIS_EVERY_S = 60.0
_LISTEN_S = 1.0

_log = logging.getLogger(__name__)


class StoredRules:
    """The source of scenarios. `clock` gives seconds since the epoch."""

    def __init__(
        self, engine: Engine, cache: Cache, state: DatabaseState, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._state = state
        self._clock = clock
        self._scenarios: dict[int, Scenario] = {}
        self._revision: Revision | None = None
        self._compared_at = clock()
        self._kept_at = 0.0
        self._changed = asyncio.Event()
        self._stop = threading.Event()
        self._following: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "rules")
        RULES_AGE.set_function(lambda: self._clock() - self._compared_at)

    @property
    def imports(self) -> int:
        """How many imports of members there were."""
        return 0 if self._revision is None else self._revision.imports

    async def start(self) -> None:
        """Begin to follow the database."""
        self._following = asyncio.create_task(self._follow(), name="follows the scenarios")
        if self._cache.redis is not None:
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._listen, args=(loop,), name="changed-scenarios", daemon=True).start()

    async def close(self) -> None:
        """End what `start` began."""
        self._stop.set()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def waits_for(self) -> str:
        """Return why there are no scenarios yet, "" as soon as they were loaded once."""
        return "" if self._revision is not None else self._state.why_away or "the scenarios in the database"

    def scenario(self, scenario_id: int) -> Scenario | None:
        """Return the newest known version."""
        return self._scenarios.get(scenario_id)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            try:
                loaded = await loop.run_in_executor(self._thread, self._look)
                if loaded is not None:
                    self._take(*loaded)
            except Exception:
                _log.exception("The scenarios could not be loaded; the last known hold")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _INTERVAL_S)

    def _look(self) -> tuple[Revision, list[Scenario], float] | None:
        """Return what the database has if that is news, else None; runs in a thread."""
        try:
            now = self._clock()
            if revision(self._engine) == self._revision:
                self._compared_at = now
                self._state.here()
                self._keep_again(now)
                return None
            seen, stored = load_scenarios(self._engine)
        except DatabaseAway as error:
            self._state.away(error)
            return None if self._revision is not None else self._cache.ask(_from_redis, None)
        self._state.here()
        scenarios = [each.scenario for each in stored]
        self._keep(seen, scenarios, now)
        return seen, scenarios, now

    def _take(self, seen: Revision, scenarios: Iterable[Scenario], at: float) -> None:
        before = self._scenarios
        # The same object as before for the same version: what was compiled from it stays valid.
        self._scenarios = {
            each.scenario_id: before[each.scenario_id] if before.get(each.scenario_id) == each else each
            for each in scenarios
        }
        self._revision = seen
        self._compared_at = at
        SCENARIOS.set(sum(each.active for each in self._scenarios.values()))

    def _keep_again(self, now: float) -> None:
        """Write the scenarios to Redis once in a while: it may have been flushed."""
        if self._revision is not None and now - self._kept_at > _KEPT_IN_REDIS_EVERY_S:
            self._keep(self._revision, self._scenarios.values(), now)

    def _keep(self, seen: Revision, scenarios: Iterable[Scenario], now: float) -> None:
        written = [{**scenario_json(each), "version": each.version, "active": each.active} for each in scenarios]
        document = msgspec.json.encode({"at": now, "revision": astuple(seen), "scenarios": written})
        self._cache.ask(lambda redis: redis.set(RULES_KEY, document), None)
        self._kept_at = now

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for announcements; runs in a thread of its own."""
        redis = self._cache.redis
        assert redis is not None
        while not self._stop.is_set():
            try:
                with redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
                    channel.subscribe(CHANNEL)
                    while not self._stop.is_set():
                        if channel.get_message(timeout=_LISTEN_S) is not None:
                            loop.call_soon_threadsafe(self._changed.set)
            except (RedisError, OSError, ValueError):
                self._stop.wait(_LISTEN_S)
            except RuntimeError:  # the loop is closed
                return


def _from_redis(redis: Redis) -> tuple[Revision, list[Scenario], float] | None:
    """Return what another replica has kept. Raises ValueError."""
    document = redis.get(RULES_KEY)
    if not isinstance(document, bytes):
        return None
    kept = msgspec.json.decode(document)
    scenarios = [read_scenario(each, version=each["version"], active=each["active"]) for each in kept["scenarios"]]
    _log.warning("The scenarios are those that Redis keeps, %d of them", len(scenarios))
    return Revision(*kept["revision"]), scenarios, kept["at"]
