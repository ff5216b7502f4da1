"""Why a request or an event is refused. Each message names what was wrong, and the value, for the client."""

from collections.abc import Mapping

from clickstream_kafka.errors import KafkaRefused


class Refused(Exception):
    """A request that gets the HTTP error `status`, with the message as JSON."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class TryAgain(Refused):
    """The request is valid; the same one may be accepted `after` seconds later."""

    def __init__(self, status: int, message: str, after: int) -> None:
        super().__init__(status, message, {"Retry-After": str(after)})


class NotAnEvent(Exception):
    """An object that is not an event.

    `reason` is one of missing_field, wrong_type, bad_timestamp, not_object and too_large; the message explains it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Excluded(Exception):
    """An event that is not stored: its visitor does not consent (CONSENT), or is a crawler (BOT)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotJson(Exception):
    """A body that is not JSON; the message says where the error is."""


class TooLargeForKafka(KafkaRefused):
    """Kafka refused a batch because of its size; perhaps only one of its records is too large."""
