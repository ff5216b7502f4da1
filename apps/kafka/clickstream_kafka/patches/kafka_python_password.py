"""SASL PLAIN takes the current password at each connection; `passwords` says why.

Written for kafka-python 3.0.
Upstream: none found.
Delete when kafka-python takes a callable for the password, or reads it by a method of `str`.
"""

from typing import Any

from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain

from clickstream_kafka.passwords import current


def apply() -> None:
    register_sasl_mechanism("PLAIN", _CurrentPasswordPlain, overwrite=True)


class _CurrentPasswordPlain(SaslMechanismPlain):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.password = current(config["sasl_plain_password"])
