import ipaddress
import math
from pathlib import Path

import pytest

from clickstream_collector.application import Collector
from clickstream_core.errors import SettingsError
from kit.in_process import in_process, read

SECRET = "0123456789abcdef"


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read()
    assert (settings.service.http_port, settings.service.admin_port) == (8080, 8081)
    assert settings.allowed_origins == ("*",)
    assert settings.limits == (100.0, 5000.0)
    assert settings.bots == "exclude"
    assert settings.kept_query_parameters == ()
    assert settings.country_headers[0] == "CF-IPCountry"
    unset = (settings.site_keys, settings.country_database, settings.visitor_secret, settings.visitor_secret_file)
    assert unset == (None,) * 4
    trusted = settings.trusted_proxies
    for address in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1", "fd00::1", "100.64.0.1", "fe80::1"):
        assert any(ipaddress.ip_address(address) in network for network in trusted)
    assert not any(ipaddress.ip_address("203.0.113.7") in network for network in trusted)


def test_flags_win_over_the_environment() -> None:
    settings = read("--allowed-origins", "https://a.example", "--limit", "off", ALLOWED_ORIGINS="*", LIMIT="5")
    assert settings.allowed_origins == ("https://a.example",)
    assert settings.limits == (math.inf, math.inf)


def test_limit_off_turns_the_sites_limit_off_too() -> None:
    assert read(LIMIT="off", SITE_LIMIT="10").limits == (math.inf, math.inf)
    assert read(LIMIT="7", SITE_LIMIT="off").limits == (7, math.inf)


def test_lists_may_have_spaces_and_a_closing_slash() -> None:
    settings = read(ALLOWED_ORIGINS="https://Shop.example.com/, https://*.example.org:8443", SITE_KEYS="shop, blog")
    assert settings.allowed_origins == ("https://shop.example.com", "https://*.example.org:8443")
    assert settings.site_keys == ("shop", "blog")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *(
            (each, "https://shop.example.com")
            for each in (
                *("https://shop.example.com", "HTTPS://Shop.Example.COM", "https://shop.example.com:443"),
                *("https://shop.example.com/", "https://shop.example.com:443/", "https://shop.example.com."),
                *("https://shop.example.com.:443", "https://shop.example.com:", "https://shop.example.com:00443"),
            )
        ),
        *((each, "http://shop.example.com") for each in ("http://shop.example.com:80", "http://shop.example.com")),
        *(
            (each, each)
            for each in ("http://shop.example.com:443", "https://shop.example.com:80", "http://my_shop:8080")
        ),
        *((each, "https://*.example.com") for each in ("https://*.example.com:443", "https://*.EXAMPLE.com./")),
        *(
            (each, "https://xn--bcher-kva.example")
            for each in ("https://bücher.example", "https://BÜCHER。example:443")
        ),
        ("https://XN--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://*.사이트.example", "https://*.xn--vf4b27jhrk.example"),
        *((each, "http://[::1]:8080") for each in ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/")),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ],
)
def test_an_origin_has_one_form_however_it_is_written(written: str, expected: str) -> None:
    assert read(ALLOWED_ORIGINS=written).allowed_origins == (expected,)


def test_no_proxy_needs_to_be_trusted() -> None:
    assert read(TRUSTED_PROXIES="none").trusted_proxies == ()
    assert read(TRUSTED_PROXIES="203.0.113.7").trusted_proxies == (ipaddress.ip_network("203.0.113.7/32"),)


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    assert SECRET not in repr(read(VISITOR_SECRET=SECRET))
    settings = read(VISITOR_SECRET_FILE=str(file))
    assert settings.visitor_secret_file is not None
    assert settings.visitor_secret_file.current() == SECRET
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("ALLOWED_ORIGINS", "shop.example.com", "expected \\* or origins separated by commas"),
        ("ALLOWED_ORIGINS", "https://shop.example.com/path", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://sh*p.example.com", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://a.example,", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://a.example:65536", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://user@a.example", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://[::g]", "expected \\* or origins"),
        ("ALLOWED_ORIGINS", "https://a.example?b", "expected \\* or origins"),
        ("SITE_KEYS", "a key", "expected keys of up to 64 letters"),
        ("SITE_KEYS", "a,,b", "expected keys"),
        ("SITE_KEYS", "k" * 65, "expected keys"),
        ("LIMIT", "0", "expected off, or events per second"),
        ("LIMIT", "-1", "expected off"),
        ("LIMIT", "nan", "expected off"),
        ("SITE_LIMIT", "many", "expected off"),
        ("BYTES_PER_EVENT", "99", "expected off, or bytes between 100 and 1000000"),
        ("BYTES_PER_EVENT", "2 kB", "expected off"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "expected none, or networks"),
        ("TRUSTED_PROXIES", "proxy", "expected none, or networks"),
        ("COUNTRY_HEADERS", "X Country", "expected header names"),
        ("BOTS", "maybe", "expected exclude or include"),
        ("KEPT_QUERY_PARAMETERS", "utm_source,", "expected none, or names of parameters"),
        ("KEPT_QUERY_PARAMETERS", "q=1", "expected none, or names of parameters"),
        ("HTTP_PORT", "0", "expected"),
        ("HTTP_PORT", "65536", "expected"),
        ("VISITOR_SECRET", "short", "expected at least 16 characters"),
        ("VISITOR_SECRET_FILE", "/nowhere", "VISITOR_SECRET_FILE"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(setting: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=f"{setting}.*{expected}|{expected}"):
        read(**{setting: value})


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        read(VISITOR_SECRET="tooshort")
    assert "tooshort" not in str(refused.value)


def test_settings_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with pytest.raises(SettingsError, match="are both set"):
        read(VISITOR_SECRET=SECRET, VISITOR_SECRET_FILE=str(file))
    with pytest.raises(SettingsError, match="ADMIN_PORT=9000: expected a port other than HTTP_PORT"):
        read(HTTP_PORT="9000", ADMIN_PORT="9000")


def test_without_a_secret_visitors_are_told_apart_by_a_random_one(caplog: pytest.LogCaptureFixture) -> None:
    with in_process(VISITOR_SECRET="") as site:
        assert site.post({"path": "/"}).status == 200
    assert "VISITOR_SECRET is not set" in caplog.text


def test_a_wrong_country_database_is_the_only_thing_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "countries.mmdb"
    file.write_text("no database")
    with pytest.raises(SettingsError, match="COUNTRY_DATABASE"):
        Collector(read(VISITOR_SECRET="", COUNTRY_DATABASE=str(file)))
    assert caplog.text == ""
