"""The cause of a failure, as kafka-python logs it.

Its exceptions leave the cause out: while Kafka can't be reached, constructors and calls raise a mere timeout, and the
reason (connection refused, unknown certificate, wrong password) is in the library's log only, several times a second.
"""

import logging

from kafka import errors

REFUSALS = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IncompatibleBrokerVersion,
)
"""Errors with which a broker refuses a client."""

_REPEATED_WITHIN_S = 10.0  # a refusal that lasts: the clients try to connect again every few seconds


class LibraryErrors(logging.Handler):
    """Keeps the last error that kafka-python logged, in `last`, and its log lines out of ours.

    A timeout is not kept: it follows from the errors before it. A refusal is kept for ten seconds, because the errors
    that follow from it, mostly broken connections, say less. With LOG_LEVEL=DEBUG the library's lines are logged too.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: BaseException | None = None
        self._refused_at = 0.0
        library = logging.getLogger("kafka")
        library.addHandler(self)
        library.propagate = logging.getLogger().isEnabledFor(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if not isinstance(argument, BaseException) or isinstance(argument, errors.KafkaTimeoutError):
                continue
            if isinstance(argument, REFUSALS):
                self._refused_at = record.created
            elif isinstance(self.last, REFUSALS) and record.created - self._refused_at < _REPEATED_WITHIN_S:
                continue
            self.last = argument

    def clear(self) -> None:
        self.last = None
