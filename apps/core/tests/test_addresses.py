import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core import addresses
from clickstream_core.addresses import WARN_AFTER_REQUESTS, Proxies, canonical, limited_network, networks

PRIVATE = Proxies([ipaddress.ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "fc00::/7")])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *(
            (each, "203.0.113.7")
            for each in (
                *("203.0.113.7", " 203.0.113.7 ", "203.0.113.7:50312", "::ffff:203.0.113.7", "::FFFF:203.0.113.7"),
                *("::ffff:cb00:7107", "0:0:0:0:0:ffff:203.0.113.7", "0000:0000:0000:0000:0000:FFFF:CB00:7107"),
                *("[::ffff:203.0.113.7]:50312", "::ffff:203.0.113.7:50312", '"203.0.113.7:50312"'),
            )
        ),
        *(
            (each, "2001:db8::1")
            for each in (
                *("2001:db8::1", "2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8:0:0::1"),
                *("[2001:db8::1]", "[2001:DB8::1]:50312", '"[2001:db8::1]:50312"', "2001:db8::1%eth0"),
            )
        ),
        *((each, "fe80::1") for each in ("fe80::1%eth0", "[fe80::1%25eth0]:80", "FE80:0::1%1")),
        ("64:ff9b::203.0.113.7", "64:ff9b::cb00:7107"),
        ("::1", "::1"),
        *((each, None) for each in ("", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "::g", "[", "1" * 5000, "a.b:80")),
    ],
)
def test_an_address_has_one_form_however_it_is_written(written: str, expected: str | None) -> None:
    assert canonical(written) == expected


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2,10.0.0.3", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, nonsense, 198.51.100.1 , 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", "198.51.100.1:50312", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:50312", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", ",,,", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, , 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "fe80::1%" + "x" * 100, "fe80::1"),
        ("::FFFF:0a00:0001", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "2001:DB8:0:0::0001, ::ffff:10.0.0.2", "2001:db8::1"),
        ("10.0.0.1", "1" * 60_000 + ",198.51.100.1", "198.51.100.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_visitor_is_whom_the_outermost_trusted_proxy_saw(peer: str, forwarded_for: str, expected: str) -> None:
    assert PRIVATE.visitor_address(peer, forwarded_for) == expected


def test_no_forwarded_address_is_believed_without_trusted_proxies() -> None:
    assert Proxies(()).visitor_address("10.0.0.1", "198.51.100.1") == "10.0.0.1"


@given(st.text(alphabet="0123456789.:[]%, abf\xff", max_size=60))
def test_any_header_makes_an_address_or_the_peers(forwarded_for: str) -> None:
    address = PRIVATE.visitor_address("10.0.0.1", forwarded_for)
    assert ipaddress.ip_address(address).version in (4, 6)
    assert len(address) < 50


def test_a_rate_limit_counts_an_ipv4_address_and_an_ipv6_line_as_one_visitor() -> None:
    assert limited_network("203.0.113.7") == "203.0.113.7"
    assert limited_network("2001:db8:1:2::7") == limited_network("2001:db8:1:2:ffff::8") == "2001:db8:1:2::/64"
    assert limited_network("2001:db8:1:3::7") != limited_network("2001:db8:1:2::7")
    assert limited_network("unix:") == "unix:"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "X-Forwarded-For" in each.getMessage()]


def test_a_header_that_keeps_coming_from_a_peer_that_is_not_trusted_is_said_once_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counted: list[None] = []
    proxies = Proxies(PRIVATE._trusted, lambda: counted.append(None), ", and their country headers do not count")
    for number in range(WARN_AFTER_REQUESTS):
        assert warnings(caplog) == []
        assert proxies.visitor_address(f"198.51.100.{number}", "203.0.113.7") == f"198.51.100.{number}"
    for _ in range(3 * WARN_AFTER_REQUESTS):
        proxies.visitor_address("2001:db8::7", "203.0.113.7")
    (line,) = warnings(caplog)
    assert "198.51.100.0/24" in line
    assert "TRUSTED_PROXIES" in line
    assert "count as one, and their country headers do not count. If" in line
    assert len(counted) == 4 * WARN_AFTER_REQUESTS


def test_what_is_believed_or_not_forwarded_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    proxies = Proxies(PRIVATE._trusted)
    for number in range(3 * WARN_AFTER_REQUESTS):
        proxies.visitor_address("10.0.0.1", "203.0.113.7")
        proxies.visitor_address("198.51.100.1", "")
        proxies.visitor_address(f"198.51.{number}.1", "203.0.113.7")
    assert warnings(caplog) == []


def test_few_networks_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_MAX_NETWORKS", 10)
    proxies = Proxies(())
    for number in range(256):
        proxies.visitor_address(f"198.51.{number}.1", "203.0.113.7")
    assert len(proxies._doubted) <= 11


@pytest.mark.parametrize(
    "peer",
    [
        *("127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "fd00:ec2::1", "::ffff:10.0.0.1"),
        *("100.64.0.1", "100.127.255.254", "::ffff:100.64.0.1", "fe80::1%eth0", "169.254.1.1"),
    ],
)
def test_proxies_of_clusters_are_trusted_by_default(peer: str) -> None:
    assert Proxies(networks("private")).visitor_address(peer, "203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize("peer", ["198.51.100.1", "100.63.255.255", "100.128.0.1", "2001:db8::1", "172.32.0.1"])
def test_public_addresses_are_not(peer: str) -> None:
    assert Proxies(networks("private")).visitor_address(peer, "203.0.113.7") == peer


@pytest.mark.parametrize("written", ["100.64.0.0/10", "::ffff:100.64.0.0/106", "::ffff:100.64.0.1", "100.64.0.1"])
def test_a_proxys_network_may_be_written_as_ipv6_too(written: str) -> None:
    proxies = Proxies(networks(f"203.0.113.9, {written}"))
    for peer in ("100.64.0.1", "::ffff:100.64.0.1"):
        assert proxies.visitor_address(peer, "203.0.113.7") == "203.0.113.7"


def test_private_may_stand_among_other_networks() -> None:
    proxies = Proxies(networks("198.51.100.0/24,Private"))
    for peer in ("198.51.100.1", "10.0.0.1"):
        assert proxies.visitor_address(peer, "203.0.113.7") == "203.0.113.7"


@pytest.mark.parametrize("value", ["none,private", "10.0.0.1/8", "example.com", "10.0.0.0/8,"])
def test_what_is_no_network_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected none, or networks"):
        networks(value)
