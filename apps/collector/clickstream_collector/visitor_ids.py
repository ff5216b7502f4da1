"""Ids for visitors and sessions without one: a keyed hash that can't be reversed and changes every day.

The id is HMAC-SHA-256 (RFC 2104) over the visitor's address and user agent, with a salt that is the HMAC of the day
(UTC) under VISITOR_SECRET. All replicas share the secret, so they compute the same id. With a day's ids but without the
secret it is impossible to find an address by trying all of them, or to connect two days.
"""

import hmac
from functools import lru_cache
from hashlib import sha256

_DAY_MS = 86_400_000
_ID_LENGTH = 32


class VisitorIds:
    """Computes ids from a request; `secret` is any text that all replicas share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._salt = lru_cache(maxsize=2)(self._salt_of)

    def user_id(self, address: str, user_agent: str, milliseconds: int) -> str:
        """Return the visitor's id on the day of `milliseconds` since the epoch."""
        return self._hash("user", address, user_agent, milliseconds)

    def session_id(self, address: str, user_agent: str, milliseconds: int) -> str:
        """Return the id of the visitor's session, which is the visitor's day: shorter sessions can't be told apart."""
        return self._hash("session", address, user_agent, milliseconds)

    def _hash(self, purpose: str, address: str, user_agent: str, milliseconds: int) -> str:
        salt = self._salt(milliseconds // _DAY_MS)
        return hmac.digest(salt, f"{purpose}\0{address}\0{user_agent}".encode(), sha256).hex()[:_ID_LENGTH]

    def _salt_of(self, day: int) -> bytes:
        return hmac.digest(self._secret, str(day).encode(), sha256)
