import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_collector.countries import UNKNOWN, Countries
from clickstream_core.errors import SettingsError
from kit.in_process import InProcess, in_process

HEADERS = ("CF-IPCountry", "X-Country-Code")


def encoded(value: Any) -> bytes:
    """A value in the data section of a MaxMind DB: maps (7), short texts (2), 16-bit numbers (5); bytes are ready."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return bytes([7 << 5 | len(value)]) + b"".join(encoded(part) for pair in value.items() for part in pair)
    if isinstance(value, int):
        return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")
    text = str(value).encode()
    assert len(text) < 29
    return bytes([2 << 5 | len(text)]) + text


def database(path: Path, places: dict[str, Any], ip_version: int = 4) -> Path:
    """Write a database of networks (https://maxmind.github.io/MaxMind-DB/): a tree of bits, then the values."""
    data, offsets = b"", {}
    nodes: list[list[int | str | None]] = [[None, None]]
    for network, value in places.items():
        offsets[network], data = len(data), data + encoded(value)
        found = ipaddress.ip_network(network)
        bits = f"{int(found.network_address):0{found.max_prefixlen}b}"[: found.prefixlen]
        node = 0
        for bit in map(int, bits[:-1]):
            following = nodes[node][bit]
            if not isinstance(following, int):
                nodes.append([None, None])
                following = nodes[node][bit] = len(nodes) - 1
            node = following
        nodes[node][int(bits[-1])] = network

    def record(entry: int | str | None) -> bytes:
        if isinstance(entry, str):
            entry = len(nodes) + 16 + offsets[entry]
        return (len(nodes) if entry is None else entry).to_bytes(3, "big")

    tree = b"".join(record(entry) for node in nodes for entry in node)
    metadata = {
        "node_count": bytes([6 << 5 | 4]) + len(nodes).to_bytes(4, "big"),
        "record_size": 24,
        "ip_version": ip_version,
        "database_type": "Country",
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": bytes([8, 2]) + (1_700_000_000).to_bytes(8, "big"),
        "description": {},
        "languages": bytes([0, 4]),
    }
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encoded(metadata))
    return path


def test_the_first_header_that_names_a_country_counts() -> None:
    countries = Countries(HEADERS)
    assert countries.country({b"cf-ipcountry": b"KR", b"x-country-code": b"DE"}, "") == "KR"
    assert countries.country({b"x-country-code": b" de "}, "") == "DE"


@pytest.mark.parametrize("nothing", [b"XX", b"T1", b"ZZ", b"", b"KOR", b"K1", b"\xff\xff", b"K" * 60_000])
def test_a_header_without_a_country_does_not_count(nothing: bytes) -> None:
    countries = Countries(HEADERS)
    assert countries.country({b"cf-ipcountry": nothing, b"x-country-code": b"DE"}, "") == "DE"
    assert countries.country({b"cf-ipcountry": nothing}, "") == UNKNOWN == countries.country({}, "203.0.113.7")


@settings(deadline=None)
@given(st.binary(max_size=5))
def test_any_header_is_a_code_of_two_letters(value: bytes) -> None:
    code = Countries(HEADERS).country({b"cf-ipcountry": value}, "")
    assert len(code) == 2
    assert code.isascii()
    assert code.isupper()


def test_the_database_knows_what_no_header_says(tmp_path: Path) -> None:
    places = {
        "203.0.113.0/24": {"country": {"iso_code": "KR"}},
        "198.51.100.0/25": {"registered_country": {"iso_code": "de"}},
        "198.51.100.128/25": {"country": {"geoname_id": 7}},
        "192.0.2.0/24": "a text",
    }
    countries = Countries(HEADERS, database(tmp_path / "countries.mmdb", {**places, "192.0.2.0/24": {}}))
    assert countries.country({}, "203.0.113.7") == "KR"
    assert countries.country({}, "198.51.100.1") == "DE"
    assert countries.country({b"cf-ipcountry": b"FR"}, "203.0.113.7") == "FR"
    assert countries.country({b"cf-ipcountry": b"XX"}, "203.0.113.7") == "KR"
    for unknown in ("198.51.100.200", "192.0.2.1", "8.8.8.8", "2001:db8::1", "", "nonsense", "1.2.3.4:5"):
        assert countries.country({}, unknown) == UNKNOWN, unknown


def test_a_database_may_have_ipv6(tmp_path: Path) -> None:
    path = database(tmp_path / "countries.mmdb", {"2001:db8::/32": {"country": {"iso_code": "KR"}}}, ip_version=6)
    countries = Countries((), path)
    assert countries.country({}, "2001:db8::1") == "KR"
    assert countries.country({}, "203.0.113.7") == UNKNOWN


def test_a_database_may_have_the_code_itself(tmp_path: Path) -> None:
    countries = Countries((), database(tmp_path / "countries.mmdb", {"203.0.113.0/24": {"country": "KR"}}))
    assert countries.country({}, "203.0.113.7") == "KR"


def test_a_database_with_another_shape_knows_nothing(tmp_path: Path) -> None:
    shapes = {"10.0.0.0/8": "KR", "11.0.0.0/8": {"country": 7}, "12.0.0.0/8": {"country": {"iso_code": 5}}}
    countries = Countries((), database(tmp_path / "countries.mmdb", shapes))
    for address in ("10.0.0.1", "11.0.0.1", "12.0.0.1"):
        assert countries.country({}, address) == UNKNOWN


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mmdb").write_text("no database")
    for name in ("text.mmdb", "missing.mmdb", "."):
        with pytest.raises(SettingsError, match="^COUNTRY_DATABASE=.*: expected a MaxMind DB file"):
            Countries((), tmp_path / name)


def country_of(site: InProcess, peer: str, **headers: str) -> str:
    """The country of an event that comes from this peer."""
    site.peer = peer
    site.producer.batches.clear()
    assert site.post([{"path": "/"}], **headers).status == 200
    assert site.ask("GET", "/pixel.gif?path=/", b"", **headers).status == 200
    first, second = site.producer.events()
    assert first["country"] == second["country"]
    return str(first["country"])


def test_country_headers_are_believed_from_trusted_proxies_only() -> None:
    with in_process(TRUSTED_PROXIES="10.0.0.0/8,203.0.113.0/24") as site:
        for trusted in ("10.0.0.1", "::ffff:10.0.0.1", "203.0.113.9"):
            assert country_of(site, trusted, cf_ipcountry="KR") == "KR"
        for unknown in ("198.51.100.1", "127.0.0.1", "2001:db8::1", ""):
            assert country_of(site, unknown, cf_ipcountry="KR") == UNKNOWN, unknown
            claimed = country_of(site, unknown, cf_ipcountry="KR", x_forwarded_for="10.0.0.1")
            assert claimed == UNKNOWN, unknown


def test_who_is_not_believed_has_the_country_of_the_address(tmp_path: Path) -> None:
    path = database(tmp_path / "countries.mmdb", {"198.51.100.0/24": {"country": {"iso_code": "KR"}}})
    with in_process(COUNTRY_DATABASE=str(path)) as site:
        assert country_of(site, "198.51.100.1", cf_ipcountry="DE") == "KR"
        assert country_of(site, "10.0.0.1", cf_ipcountry="DE", x_forwarded_for="198.51.100.1") == "DE"
