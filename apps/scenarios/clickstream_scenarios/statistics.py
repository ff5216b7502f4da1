"""The numbers that the statistics job keeps in Redis for each scenario (docs/scenarios.md#statistics)."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from redis import Redis

from clickstream_scenarios.cache import Cache

_MINUTE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z")


class Ratio(msgspec.Struct):
    """How often a scenario succeeded since its version began."""

    success_ratio: float
    total_count: int
    success_count: int
    updated_at: str


class _Minute(msgspec.Struct):
    total_count: int
    success_count: int


_decode_ratio = msgspec.json.Decoder(Ratio).decode
_decode_minute = msgspec.json.Decoder(_Minute).decode


def ratios(cache: Cache, scenario_ids: Sequence[int]) -> dict[int, Ratio] | None:
    """Return the numbers of those scenarios that have any; None when Redis is away."""

    def ask(redis: Redis) -> dict[int, Ratio]:
        values: Any = redis.mget([f"scenario:{each}:success_ratio" for each in scenario_ids])
        found = {}
        for scenario_id, value in zip(scenario_ids, values, strict=True):
            try:
                found[scenario_id] = _decode_ratio(value or b"")
            except msgspec.MsgspecError:
                continue  # none yet, or another program's
        return found

    return cache.ask(ask, None) if scenario_ids else {}


def minutes(cache: Cache, scenario_id: int) -> list[dict[str, Any]] | None:
    """Return the minutes of the last 24 h that have requests, in order; None when Redis is away."""

    def ask(redis: Redis) -> list[dict[str, Any]]:
        held: Any = redis.hgetall(f"scenario:{scenario_id}:minutes")
        found = []
        for minute, value in sorted(held.items()):
            try:
                counted = _decode_minute(value)
            except msgspec.MsgspecError:
                continue
            if _MINUTE.fullmatch(minute):
                found.append({"minute": minute.decode(), **msgspec.structs.asdict(counted)})
        return found

    return cache.ask(ask, None)
