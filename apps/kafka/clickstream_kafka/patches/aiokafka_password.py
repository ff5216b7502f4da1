"""SASL PLAIN takes the current password at each connection; `passwords` says why.

Written for aiokafka 0.14.
Upstream: none found.
Delete when aiokafka takes a callable for the password, or reads it by a method of `str`.
"""

from typing import Any

from aiokafka import conn

from clickstream_kafka.passwords import current


def apply() -> None:
    conn.SaslPlainAuthenticator = _CurrentPasswordPlain


class _CurrentPasswordPlain(conn.SaslPlainAuthenticator):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, *, sasl_plain_password: str, **config: Any) -> None:
        super().__init__(sasl_plain_password=current(sasl_plain_password), **config)
