"""What a request can be refused for. Each message says to its sender what was wrong, and with which value."""

from collections.abc import Mapping

from clickstream_kafka.errors import KafkaRefused


class Refused(Exception):
    """A request that is answered with an HTTP error `status` and the message as JSON."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class TryAgain(Refused):
    """Nothing is wrong with the request; the same one may pass `after` seconds later."""

    def __init__(self, status: int, message: str, after: int) -> None:
        super().__init__(status, message, {"Retry-After": str(after)})


class NotAnEvent(Exception):
    """An object that can't be made an event of.

    `reason` is one of missing_field, wrong_type, bad_timestamp, not_object and too_large, the message says it in prose.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotJson(Exception):
    """A body that is not JSON; the message says where it ends being so."""


class TooLargeForKafka(KafkaRefused):
    """Kafka refused a batch because of its size; of several records perhaps only one is too large."""
