"""What the stream asks: for rules and for members. The store, its cache and a folder of files answer alike."""

from collections.abc import Collection, Mapping
from typing import Protocol

from clickstream_scenarios.member import Member
from clickstream_scenarios.scenario import Scenario


class Rules(Protocol):
    """All scenarios, held in memory and kept new in the background; with their source away, the last known hold."""

    async def start(self) -> None:
        """Begin to load and to follow changes; returns at once, whether the source answers or not."""

    async def close(self) -> None:
        """End what `start` began."""

    def waits_for(self) -> str:
        """Return what it waits for until the rules were loaded once, a sentence for /readyz; "" after that."""

    def scenario(self, scenario_id: int) -> Scenario | None:
        """Return the newest known version, which may be inactive; None when there is no such scenario.

        The same object is returned until there is another version. Called for each request: no waiting, no I/O.
        """


class Members(Protocol):
    """The members by id, cached."""

    async def start(self) -> None:
        """Open what it needs; returns at once, whether the database answers or not."""

    async def close(self) -> None:
        """Close it."""

    async def find(self, member_ids: Collection[str]) -> Mapping[str, Member | None]:
        """Return the members; None for an id that the database does not have.

        An id that is missing from the answer is not known yet: the database did not answer in a second or so. The
        stream asks again, for 30 s. Never raises for trouble of cache or database.
        """
