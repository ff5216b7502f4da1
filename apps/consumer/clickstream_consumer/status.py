"""Whether results can arrive, as readiness probes, the log and the live view want to know it."""

from dataclasses import dataclass
from enum import Enum


class Condition(Enum):
    """Where the consumer stands between the start and its first result, and where trouble takes it."""

    CONNECTING = "connecting"
    JOINING = "joining"
    READY = "ready"
    AWAY = "away"
    NO_TOPIC = "no topic"
    REFUSED = "refused"


_TROUBLES = (Condition.AWAY, Condition.NO_TOPIC, Condition.REFUSED)


@dataclass(frozen=True)
class Status:
    """The condition and, unless it is READY, why results cannot arrive, in words."""

    condition: Condition
    why: str = ""

    @property
    def ready(self) -> bool:
        """Whether the consumer is connected and a member of its group."""
        return self.condition is Condition.READY

    @property
    def trouble(self) -> bool:
        """Whether somebody may have to do something."""
        return self.condition in _TROUBLES
