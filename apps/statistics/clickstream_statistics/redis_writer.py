"""Writes the totals to Redis every few seconds, in a thread of its own: a Redis that is away delays no batch.

All ratios are written each time, and the minutes that have changed. A mark in Redis says which write was the last. If
it is not there, or another's, Redis was flushed, restored, replaced, or another driver has written: then everything is
written, as at the start, after a failure, and every five minutes. The mark is watched while that is decided.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import CredentialProvider, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, WatchError
from redis.retry import Retry

from clickstream_core.timestamps import format_milliseconds
from clickstream_statistics import instruments
from clickstream_statistics.counts import MINUTES_KEPT
from clickstream_statistics.ledger import Ledger
from clickstream_statistics.redis_numbers import Numbers, all_numbers, numbers
from clickstream_statistics.settings import RedisSettings

MARK = "clickstream-statistics:written"
_ANSWER_S = 5.0
_WRITES_BETWEEN_ALL = 60

_log = logging.getLogger(__name__)


class _PasswordFile(CredentialProvider):
    def __init__(self, file: Path, user: str | None) -> None:
        self._file = file
        self._user = user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._file.read_text(encoding="utf-8").strip()
        return (self._user, password) if self._user else (password,)


def client(settings: RedisSettings) -> "Redis":
    """Return a client, which connects when it is used first."""
    url = settings.url or ""
    url = "redis" + url.removeprefix("valkey") if url.startswith("valkey") else url
    more: dict[str, Any] = {}
    if settings.password_file is not None:
        user = urlsplit(url).username
        url = url.replace(f"{user}@", "", 1) if user else url
        more["credential_provider"] = _PasswordFile(settings.password_file, user)
    return Redis.from_url(
        url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 1), **more
    )


class RedisWriter:
    """Writes a ledger's totals; `waiting_for` says why Redis has not the newest numbers, "" if it has.

    `clock` gives Unix seconds.
    """

    def __init__(
        self, redis: "Redis", ledger: Callable[[], Ledger | None], clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._ledger = ledger
        self._clock = clock
        self._id = uuid.uuid4().hex
        self._writes = 0
        self._all_at = 0
        self.waiting_for = ""

    def write(self) -> None:
        """Write once, if there is a ledger; failures are logged when they begin and when they end."""
        ledger = self._ledger()
        if ledger is None:
            return
        began = time.monotonic()
        try:
            try:
                self._write(ledger)
            except WatchError:  # flushed in this moment
                self._all_at = self._writes
                self._write(ledger)
        except (RedisError, OSError) as error:
            self._all_at = self._writes
            instruments.REDIS_UP.set(0)
            reason = _reason(error)
            if reason != self.waiting_for:
                _log.warning("%s; results go on to Parquet", reason)
            self.waiting_for = reason
            return
        if self.waiting_for:
            _log.warning("Redis answers again, and has all numbers")
        self.waiting_for = ""
        instruments.REDIS_UP.set(1)
        instruments.REDIS_SECONDS.observe(time.monotonic() - began)
        instruments.REDIS_LAST_WRITE.set(self._clock())

    def _write(self, ledger: Ledger) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.watch(MARK)  # type: ignore[no-untyped-call]
            mark: Any = pipeline.get(MARK)
            ours = mark is not None and mark.decode("utf-8", "replace") == self._mark()
            is_all = not ours or self._writes >= self._all_at
            found = self._numbers(ledger, is_all=is_all)
            pipeline.multi()
            _queue(pipeline, found)
            self._writes += 1
            pipeline.set(MARK, self._mark())
            pipeline.execute()
        if is_all:
            self._all_at = self._writes + _WRITES_BETWEEN_ALL

    def _numbers(self, ledger: Ledger, *, is_all: bool) -> Numbers:
        now = self._clock()
        updated_at = format_milliseconds(int(now * 1000))
        with ledger.lock:
            totals = ledger.totals
            totals.forget_before(int(now // 60) - MINUTES_KEPT + 1)
            found = all_numbers(totals, updated_at) if is_all else numbers(totals, totals.changed, updated_at)
            totals.changed.clear()
            instruments.SCENARIOS.set(len(totals.scenarios))
        return found

    def _mark(self) -> str:
        return f"{self._id}:{self._writes}"

    def run(self, interval_s: float, stopping: threading.Event) -> None:
        """Write every `interval_s` until `stopping`, and once more then."""
        while not stopping.wait(interval_s):
            self.write()
        self.write()


def _queue(pipeline: Any, found: Numbers) -> None:
    for key in found.replaced:
        pipeline.delete(key)
    for key, value in found.ratios.items():
        pipeline.set(key, value)
    for key, fields in found.fields.items():
        pipeline.hset(key, mapping=fields)
    for key, gone in found.gone.items():
        pipeline.hdel(key, *gone)


def _reason(error: Exception) -> str:
    if isinstance(error, AuthenticationError):
        return f"Redis refuses the password ({error}): check REDIS_URL and REDIS_PASSWORD_FILE"
    return f"Redis is away: {error}"
