"""Redis or Valkey, or neither: what it knows is used, and what it fails at costs little time and no answer.

Members are kept for some minutes. Their keys have the number of the last import in them, so an import makes all of them
void at once. The scenarios are kept for a start while the database is away. A channel carries the news of a change.

After a failure Redis is left alone for a second, so that a Redis that hangs doesn't slow down every batch.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from redis import CredentialProvider, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from clickstream_scenarios.member import Attribute, Member
from clickstream_scenarios.store_instruments import REDIS_UP
from clickstream_scenarios.store_settings import CacheSettings

KEPT_S = 600
UNKNOWN_KEPT_S = 60
CHANNEL = "clickstream-scenarios:changed"
RULES_KEY = "clickstream-scenarios:rules"
_ANSWER_S = 0.5
_PAUSE_S = 1.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    gender: str | None
    birth_date: date | None
    attributes: Mapping[str, Attribute]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kept | None).decode


class _PasswordFile(CredentialProvider):
    def __init__(self, file: Path, user: str | None) -> None:
        self._file = file
        self._user = user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._file.read_text(encoding="utf-8").strip()
        return (self._user, password) if self._user else (password,)


def client(settings: CacheSettings) -> "Redis | None":
    """Return a client, which connects when it is used first; None without REDIS_URL."""
    if settings.url is None:
        return None
    url = "redis" + settings.url.removeprefix("valkey") if settings.url.startswith("valkey") else settings.url
    more: dict[str, Any] = {}
    if settings.password_file is not None:
        user = urlsplit(url).username
        url = url.replace(f"{user}@", "", 1) if user else url
        more["credential_provider"] = _PasswordFile(settings.password_file, user)
    return Redis.from_url(
        url,
        socket_timeout=_ANSWER_S,
        socket_connect_timeout=_ANSWER_S,
        retry=Retry(NoBackoff(), 1),  # a connection that the server has closed
        **more,
    )


class Cache:
    """The cache; safe to use from several threads. `clock` gives monotonic seconds."""

    def __init__(self, redis: "Redis | None", clock: Callable[[], float] = time.monotonic) -> None:
        self.redis = redis
        self._clock = clock
        self._alone_until = 0.0
        self._up = True

    def get_members(self, imports: int, member_ids: Sequence[str]) -> dict[str, Member | None]:
        """Return those members that it has; None for one that the database did not have."""

        def get(redis: Redis) -> dict[str, Member | None]:
            values: list[bytes | None] = redis.mget([_key(imports, each) for each in member_ids])  # type: ignore[assignment]
            held = zip(member_ids, values, strict=True)
            return {member_id: _member(member_id, value) for member_id, value in held if value is not None}

        return self.ask(get, {}) if member_ids else {}

    def put_members(self, imports: int, members: Mapping[str, Member | None]) -> None:
        """Keep members, and for a shorter time that there is none with an id."""

        def put(redis: Redis) -> None:
            with redis.pipeline(transaction=False) as pipeline:
                for member_id, member in members.items():
                    kept_s = UNKNOWN_KEPT_S if member is None else KEPT_S
                    pipeline.set(_key(imports, member_id), _value(member), ex=kept_s)
                pipeline.execute()

        if members:
            self.ask(put, None)

    def ask(self, question: Callable[[Redis], T], otherwise: T) -> T:
        """Return the answer to a question, or `otherwise` when Redis is away."""
        if self.redis is None or self._clock() < self._alone_until:
            return otherwise
        try:
            answer = question(self.redis)
        except (RedisError, OSError, ValueError, TypeError, LookupError, msgspec.MsgspecError) as error:
            self._alone_until = self._clock() + _PAUSE_S
            if self._up:
                _log.warning("Redis is away, the database answers alone: %s", error)
            self._up = False
            REDIS_UP.set(0)
            return otherwise
        if not self._up:
            _log.warning("Redis answers again")
        self._up = True
        REDIS_UP.set(1)
        return answer

    def close(self) -> None:
        """Close its connections."""
        if self.redis is not None:
            self.redis.close()


def _key(imports: int, member_id: str) -> str:
    return f"clickstream-scenarios:member:{imports}:{member_id}"


def _value(member: Member | None) -> bytes:
    return _encode(None if member is None else _Kept(member.gender, member.birth_date, member.attributes))


def _member(member_id: str, value: bytes) -> Member | None:
    kept = _decode(value)
    return None if kept is None else Member(member_id, kept.gender, kept.birth_date, kept.attributes)
