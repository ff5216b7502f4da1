"""Ids for visitors and sessions that bring none: a keyed hash that nobody can turn back, and that is another tomorrow.

The id is HMAC-SHA-256 (RFC 2104) over the visitor's address and user agent, with a salt that is itself the HMAC of the
day (UTC) under VISITOR_SECRET. All replicas share the secret, so they agree on the id; whoever has a day's ids, but not
the secret, can neither find an address by trying all of them nor connect two days.
"""

import hmac
from functools import lru_cache
from hashlib import sha256

_DAY = 86_400_000
_LENGTH = 32


class VisitorIds:
    """Makes ids from what a request tells; `secret` is any text that all replicas share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._salt = lru_cache(maxsize=2)(self._salt_of)

    def user_id(self, address: str, user_agent: str, milliseconds: int) -> str:
        """Return the visitor's id on the day of `milliseconds` since the epoch."""
        return self._hash("user", address, user_agent, milliseconds)

    def session_id(self, address: str, user_agent: str, milliseconds: int) -> str:
        """Return the id of the visitor's session: a day's visits of a visitor who can't be told apart further."""
        return self._hash("session", address, user_agent, milliseconds)

    def _hash(self, purpose: str, address: str, user_agent: str, milliseconds: int) -> str:
        salt = self._salt(milliseconds // _DAY)
        return hmac.digest(salt, f"{purpose}\0{address}\0{user_agent}".encode(), sha256).hex()[:_LENGTH]

    def _salt_of(self, day: int) -> bytes:
        return hmac.digest(self._secret, str(day).encode(), sha256)
