"""Tracking requests in an access log, the third kind of record."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_producer.access_logs import FIRST_MEMBER, AccessLog, TrackedShop, encode_access_log
from clickstream_producer.generation import Share, record_source
from clickstream_producer.settings import ProducerSettings
from kit.skipping import skip

START = 1_769_077_619_987


def shop(share: int = 0) -> TrackedShop:
    return TrackedShop(seed=7, members=20, scenarios=[5, 6], share=share)


def logs(share: int = 0) -> list[AccessLog]:
    made = shop(share)
    return [made.next_log(START) for _ in range(500)]


def test_a_request_has_the_references_parameters() -> None:
    found = [json.loads(encode_access_log(each)) for each in logs()]
    assert {each["time"] for each in found} == {"2026-01-22T10:26:59+00:00"}
    assert len({each["request_id"] for each in found}) == 500
    tracked = [urlsplit(each["request_uri"]) for each in found if "?" in each["request_uri"]]
    assert {each.path for each in tracked} == {"/5", "/6"}
    parameters = [parse_qs(each.query) for each in tracked]
    names = {"e_c", "e_a", "e_n", "url", "urlref", "_idn", "cookie", "res", "memberId"}
    assert all(set(each) == names for each in parameters)
    assert {int(each["memberId"][0]) for each in parameters} == set(range(FIRST_MEMBER, FIRST_MEMBER + 20))
    assert "구매하기" in {each["e_n"][0] for each in parameters}


def test_a_few_requests_are_none_of_a_scenario() -> None:
    found = logs()
    others = [each for each in found if "?" not in each.request_uri]
    assert 0 < len(others) < 50
    assert {404, 200} <= {each.status for each in found}


def test_the_same_seed_gives_the_same_requests_with_other_ids() -> None:
    first, second = logs(), logs()
    assert [each.request_uri for each in first] == [each.request_uri for each in second]
    assert not {each.request_id for each in first} & {each.request_id for each in second}
    assert [each.request_uri for each in logs(share=1)] != [each.request_uri for each in first]


def test_a_full_disk_ends_the_run_with_one_line() -> None:
    if not Path("/dev/full").exists():
        skip("there is no /dev/full here")
    environ = {"KIND": "access-log", "ACCESS_LOG_FILE": "/dev/full"}
    settings = read_settings(ProducerSettings, prog="", description="", argv=[], environ=environ)
    source = record_source(settings, Share(0, 1, seed=1))
    with pytest.raises(SettingsError, match="ACCESS_LOG_FILE=/dev/full: can't be written any more"):
        source(START)
