import ipaddress
import math

import pytest

from clickstream_consumer.settings import ConsumerSettings
from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings


def read(*argv: str, **environ: str) -> ConsumerSettings:
    return read_settings(ConsumerSettings, prog="clickstream-consumer", description="", argv=argv, environ=environ)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read()
    assert settings.group_id == "metrics-consumer-group"
    assert settings.language == "en"
    assert not settings.from_beginning
    assert not settings.plain
    assert not settings.receipts
    assert settings.metrics_topic == "clickstream-metrics"


def test_the_flags_are_the_documented_ones() -> None:
    settings = read("--language", "ko", "--from-beginning", "--group-id", "mine", "--plain", DASHBOARD_LANGUAGE="en")
    assert (settings.language, settings.from_beginning, settings.group_id, settings.plain) == ("ko", True, "mine", True)


def test_the_environment_does_what_the_flags_do() -> None:
    settings = read(DASHBOARD_LANGUAGE="ko", FROM_BEGINNING="true", GROUP_ID="mine", DASHBOARD_PLAIN="true")
    assert (settings.language, settings.from_beginning, settings.group_id, settings.plain) == ("ko", True, "mine", True)


def test_receipts_are_shown_if_asked_for() -> None:
    assert read("--receipts").receipts
    assert read(DASHBOARD_RECEIPTS="true").receipts


def test_an_unknown_language_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r"DASHBOARD_LANGUAGE=fr.*: expected en or ko"):
        read(DASHBOARD_LANGUAGE="fr")


def test_the_pages_limits_are_generous_and_no_proxy_is_trusted_by_default() -> None:
    settings = read()
    assert (settings.api_limit, settings.trusted_proxies) == (50.0, ())
    chosen = read(API_LIMIT="off", TRUSTED_PROXIES="private, 203.0.113.0/24")
    assert chosen.api_limit == math.inf
    assert any(ipaddress.ip_address("10.1.2.3") in network for network in chosen.trusted_proxies)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e9"])
def test_a_limit_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="API_LIMIT=.*: expected off, or requests per second between"):
        read(API_LIMIT=value)
