"""Whether results can arrive: for readiness probes, the log and the live view."""

from dataclasses import dataclass
from enum import Enum


class Condition(Enum):
    """The consumer's state, from the start to the first result and in an outage."""

    CONNECTING = "connecting"
    JOINING = "joining"
    READY = "ready"
    AWAY = "away"
    NO_TOPIC = "no topic"
    REFUSED = "refused"


_OUTAGES = (Condition.AWAY, Condition.NO_TOPIC, Condition.REFUSED)


@dataclass(frozen=True)
class Status:
    """The condition and, unless it is READY, the reason why results can't arrive, in words."""

    condition: Condition
    why: str = ""

    @property
    def ready(self) -> bool:
        """Whether the consumer is connected and a member of its group."""
        return self.condition is Condition.READY

    @property
    def needs_attention(self) -> bool:
        """Whether an operator may have to act."""
        return self.condition in _OUTAGES
