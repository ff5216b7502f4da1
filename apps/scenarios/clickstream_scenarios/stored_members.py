"""The members of the database, as the stream asks for them: from memory, then Redis, then the database.

All ids that are asked for while a load runs are the next load: a thousand members are one query, and a member who is
asked for twice at once is loaded once. Memory keeps members as long as Redis does, and forgets all after an import.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from sqlalchemy import Engine

from clickstream_scenarios.cache import KEPT_S, UNKNOWN_KEPT_S, Cache
from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_store import IDS_IN_A_QUERY, find_members
from clickstream_scenarios.store_instruments import MEMBER_QUERIES, MEMBERS_FOUND, QUERY_SECONDS

_ANSWER_S = 1.0
_MOST_IN_MEMORY = 200_000
_MOST_IN_A_LOAD = 10_000

_log = logging.getLogger(__name__)

_Found = Mapping[str, Member | None]


class StoredMembers:
    """The source of members.

    `imports` gives the number of imports of members, `clock` monotonic seconds; a look-up lasts `answer_s` at most.
    """

    def __init__(
        self,
        engine: Engine,
        cache: Cache,
        state: DatabaseState,
        imports: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._state = state
        self._imports = imports
        self._clock = clock
        self._answer_s = answer_s
        self._memory: dict[str, tuple[float, Member | None]] = {}
        self._memory_of = imports()
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._next: dict[str, None] = {}
        self._loading: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "members")

    async def start(self) -> None:
        """Do nothing: connections are made when they are needed."""

    async def close(self) -> None:
        """End the load that runs."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def find(self, member_ids: Collection[str]) -> _Found:
        """Return the members; None for an id that the database does not have; an id is missing while it is away."""
        found = self._from_memory(member_ids)
        missing = [each for each in member_ids if each not in found]
        MEMBERS_FOUND.labels("memory").inc(len(found))
        if missing:
            for member_id in missing:
                if member_id not in self._asked:
                    self._asked[member_id] = asyncio.get_running_loop().create_future()
                    self._next[member_id] = None
            waited_for = [self._asked[each] for each in missing]
            if self._loading is None:
                self._loading = asyncio.create_task(self._load(), name="loads members")
            await asyncio.wait(waited_for, timeout=self._answer_s)
            found |= self._from_memory(missing)
        return found

    def _from_memory(self, member_ids: Collection[str]) -> dict[str, Member | None]:
        if self._memory_of != self._imports():
            self._memory.clear()
            self._memory_of = self._imports()
        now = self._clock()
        held = ((each, self._memory.get(each)) for each in member_ids)
        return {member_id: kept[1] for member_id, kept in held if kept is not None and now < kept[0]}

    async def _load(self) -> None:
        """Load what is asked for until nothing is."""
        loop = asyncio.get_running_loop()
        try:
            while self._next:
                part = list(islice(self._next, _MOST_IN_A_LOAD))
                for member_id in part:
                    del self._next[member_id]
                imports = self._imports()
                found = await loop.run_in_executor(self._thread, self._ask, imports, part)
                self._remember(imports, found)
                for member_id in part:
                    self._asked.pop(member_id).set_result(True)
        except Exception:
            _log.exception("Members could not be loaded")
        finally:
            self._loading = None
            self._next.clear()
            for future in self._asked.values():
                future.cancel()
            self._asked.clear()

    def _ask(self, imports: int, member_ids: list[str]) -> _Found:
        """Ask Redis, then the database; runs in a thread."""
        found = self._cache.get_members(imports, member_ids)
        MEMBERS_FOUND.labels("redis").inc(len(found))
        missing = [each for each in member_ids if each not in found]
        if not missing:
            return found
        MEMBER_QUERIES.inc(-(-len(missing) // IDS_IN_A_QUERY))
        try:
            with QUERY_SECONDS.time():
                members = find_members(self._engine, missing)
        except DatabaseAway as error:
            self._state.away(error)
            return found
        self._state.here()
        loaded = {each: members.get(each) for each in missing}
        MEMBERS_FOUND.labels("database").inc(len(loaded))
        self._cache.put_members(imports, loaded)
        return found | loaded

    def _remember(self, imports: int, found: _Found) -> None:
        if imports != self._imports():
            return  # an import came in between: the next look-up asks again
        now = self._clock()
        for member_id, member in found.items():
            self._memory.pop(member_id, None)
            self._memory[member_id] = (now + (UNKNOWN_KEPT_S if member is None else KEPT_S), member)
        for oldest in list(islice(self._memory, max(0, len(self._memory) - _MOST_IN_MEMORY))):
            del self._memory[oldest]
