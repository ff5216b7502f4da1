import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_scenarios.cache import KEPT_S, UNKNOWN_KEPT_S, Cache, client
from clickstream_scenarios.member import Member
from clickstream_scenarios.store_settings import CacheSettings
from kit.redis_server import RedisServer, redis_server

KIM = Member("kim 김", "MALE", date(2001, 6, 18), {"grade": "VIP", "visits": 7})
OpenCache = Callable[[str | None], Cache]


def test_members_come_back_until_their_time_is_over(redis: RedisServer, open_cache: OpenCache) -> None:
    cache = open_cache(redis.url)
    cache.put_members(3, {KIM.member_id: KIM, "nobody": None})
    assert cache.get_members(3, [KIM.member_id, "nobody", "new"]) == {KIM.member_id: KIM, "nobody": None}
    with redis.client as server:
        times = sorted(server.ttl(key) for key in server.scan_iter())
    assert UNKNOWN_KEPT_S - 5 < times[0] <= UNKNOWN_KEPT_S < KEPT_S - 5 < times[1] <= KEPT_S


def test_an_import_makes_all_members_void(redis: RedisServer, open_cache: OpenCache) -> None:
    cache = open_cache(redis.url)
    cache.put_members(3, {KIM.member_id: KIM})
    assert cache.get_members(4, [KIM.member_id]) == {}


def test_what_another_program_wrote_under_a_key_is_no_member(redis: RedisServer, open_cache: OpenCache) -> None:
    cache = open_cache(redis.url)
    cache.put_members(0, {"kim": KIM})
    with redis.client as server:
        for value in (b"nonsense", b"[1]", b'{"a":1}', b"7"):
            server.set("clickstream-scenarios:member:0:kim", value)
            assert open_cache(redis.url).get_members(0, ["kim"]) == {}


def test_a_killed_redis_is_used_again_when_it_is_back(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    cache = Cache(client(CacheSettings(url=own_redis.url)), lambda: now)
    cache.put_members(0, {KIM.member_id: KIM})
    assert own_redis.child is not None
    own_redis.child.kill()
    for _ in range(3):
        assert cache.get_members(0, [KIM.member_id]) == {}
        now += 2
    own_redis.start()
    cache.put_members(0, {KIM.member_id: KIM})
    assert cache.get_members(0, [KIM.member_id]) == {KIM.member_id: KIM}
    logged = [record.message.partition(":")[0] for record in caplog.records]
    assert logged == ["Redis is away, the database answers alone", "Redis answers again"]
    cache.close()


def test_a_redis_that_hangs_costs_a_moment_once_a_second(own_redis: RedisServer) -> None:
    now = 100.0
    cache = Cache(client(CacheSettings(url=own_redis.url)), lambda: now)
    assert cache.get_members(0, ["kim"]) == {}
    assert own_redis.child is not None
    own_redis.child.send(signal.SIGSTOP)
    started = time.monotonic()
    for _ in range(1000):
        assert cache.get_members(0, ["kim"]) == {}
    assert time.monotonic() - started < 3
    own_redis.child.send(signal.SIGCONT)
    cache.close()


def test_a_new_password_in_its_file_holds_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with redis_server(tmp_path, "--requirepass", "first") as server:
        now = 100.0
        cache = Cache(client(CacheSettings(url=server.url, password_file=file)), lambda: now)
        cache.put_members(0, {KIM.member_id: KIM})
        file.write_text("first\n")
        now += 2
        cache.put_members(0, {KIM.member_id: KIM})
        assert cache.get_members(0, [KIM.member_id]) == {KIM.member_id: KIM}
        cache.close()


def test_without_redis_there_is_nothing_to_remember(open_cache: OpenCache) -> None:
    cache = open_cache(None)
    cache.put_members(0, {KIM.member_id: KIM})
    assert cache.get_members(0, [KIM.member_id]) == {}


@pytest.mark.parametrize("url", ["localhost:6379", "http://h", "redis://", "redis://u:s3cret@h:x"])
def test_a_wrong_address_is_refused_and_shows_no_password(url: str) -> None:
    with pytest.raises(SettingsError, match="expected redis://HOST:6379/0") as error:
        CacheSettings(url=url).validate()
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:6380/2", "valkey://h:1", "unix:///tmp/x"])
def test_the_addresses_of_redis_and_valkey_are_taken(url: str) -> None:
    CacheSettings(url=url).validate()
    assert client(CacheSettings(url=url)) is not None
