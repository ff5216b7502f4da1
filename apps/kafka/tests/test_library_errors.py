"""Which of the errors that kafka-python logs is taken for the cause."""

import logging
from collections.abc import Iterator

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, SaslAuthenticationFailedError

from clickstream_kafka.library_errors import LibraryErrors

REFUSED = SaslAuthenticationFailedError("invalid credentials")
BROKEN = KafkaConnectionError("socket disconnected")


@pytest.fixture
def library() -> logging.Logger:
    return logging.getLogger("kafka.net.manager")


@pytest.fixture
def errors() -> Iterator[LibraryErrors]:
    above = logging.getLogger("kafka")
    propagate = above.propagate
    errors = LibraryErrors()
    yield errors
    above.removeHandler(errors)
    above.propagate = propagate


def test_the_last_error_counts_until_it_is_over(errors: LibraryErrors, library: logging.Logger) -> None:
    library.error("Node %s: %s", 1, KafkaConnectionError("refused"))
    library.warning("Node %s: %s", 1, BROKEN)
    assert errors.last is BROKEN
    errors.clear()
    assert errors.last is None


def test_a_refusal_is_not_replaced_by_what_follows_from_it(errors: LibraryErrors, library: logging.Logger) -> None:
    library.error("Login failed: %s", REFUSED)
    library.error("Abort (%s)", BROKEN)
    assert errors.last is REFUSED


def test_a_refusal_that_is_not_repeated_is_over(errors: LibraryErrors) -> None:
    def log(error: Exception, at_s: float) -> None:
        errors.handle(logging.makeLogRecord({"name": "kafka.net.manager", "args": (error,), "created": at_s}))

    log(REFUSED, 1000.0)
    log(REFUSED, 1008.0)
    log(BROKEN, 1017.0)
    assert errors.last is REFUSED
    log(BROKEN, 1019.0)
    assert errors.last is BROKEN


def test_a_timeout_is_no_cause(errors: LibraryErrors, library: logging.Logger) -> None:
    library.error("Abort (%s)", BROKEN)
    library.error("Bootstrap failed: %s", KafkaTimeoutError("Unable to bootstrap"))
    assert errors.last is BROKEN


def test_the_librarys_lines_do_not_reach_our_log(
    errors: LibraryErrors, library: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    library.error("Abort (%s)", BROKEN)
    assert errors.last is BROKEN
    assert capsys.readouterr().err == ""
