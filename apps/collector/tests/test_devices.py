import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_collector.devices import device_of

ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 {}Safari/537.36"


@pytest.mark.parametrize(
    ("kind", "user_agent"),
    [
        ("desktop", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"),
        (
            "desktop",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15",
        ),
        ("desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (
            "mobile",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
        ),
        ("mobile", ANDROID.format("Pixel 8", "Mobile ")),
        ("mobile", "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0"),
        ("tablet", "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"),
        ("tablet", ANDROID.format("SM-X710", "")),
        ("tablet", "Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0"),
        ("desktop", ""),
        ("desktop", "something"),
    ],
)
def test_the_kind_of_a_device(kind: str, user_agent: str) -> None:
    assert device_of(user_agent).kind == kind
    assert not device_of(user_agent).crawler


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        ANDROID.format("Nexus 5X", "Mobile ") + " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ],
)
def test_crawlers_are_known(user_agent: str) -> None:
    assert device_of(user_agent).crawler


@pytest.mark.parametrize("user_agent", ["curl/8.5.0", "Python-urllib/3.11", "Java/21.0.1", "python-requests/2.32"])
def test_programs_that_send_on_purpose_are_none(user_agent: str) -> None:
    assert not device_of(user_agent).crawler


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=512))
def test_any_user_agent_is_one_of_three(user_agent: str) -> None:
    assert device_of(user_agent).kind in ("mobile", "desktop", "tablet")
