import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_collector.devices import device_of

ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 {}Safari/537.36"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36"


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
        (
            "tablet",
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 CriOS/126.0 Mobile/15E148 Safari/604.1",
        ),
        (
            "tablet",
            "Mozilla/5.0 (Linux; Android 9; KFMAWI) AppleWebKit/537.36 Silk/126.1 like Chrome/126.0 Safari/537.36",
        ),
        ("tablet", ANDROID.format("SAMSUNG SM-X710", "") + " SamsungBrowser/25.0"),
        ("tablet", ANDROID.format("CUBOT TAB 30", "")),
        ("mobile", "Opera/9.80 (Android; Opera Mini/36/191; U; en) Presto/2.12 Version/12.16"),
        ("mobile", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A.240505.005)"),
        ("desktop", "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; Touch; Tablet PC 2.0; rv:11.0) like Gecko"),
        ("desktop", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"),
        ("desktop", ANDROID.format("HP Chromebook 14", "")),
        (
            "desktop",
            "Mozilla/5.0 (Linux; Android 7.1.2; AFTMM) AppleWebKit/537.36 Silk/110.3 like Chrome/110.0 Safari/537.36",
        ),
        ("desktop", ANDROID.format("BRAVIA 4K VH2", "")),
        ("desktop", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0.0.0 Safari/537.36"),
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
        LINUX.format("HeadlessChrome/103.0.5060.53") + " Prerender (+https://github.com/prerender/prerender)",
        ANDROID.format("moto g power (2022)", "Mobile ") + " Chrome-Lighthouse",
        MAC.format("Chrome/128.0.0.0") + " Chrome-Lighthouse",
        (
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36"
            " (compatible; Bytespider; spider-feedback@bytedance.com)"
        ),
        (
            "Mozilla/5.0 (Linux; Android 7.0;) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36"
            " (compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)"
        ),
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0;"
            " +https://perplexity.ai/perplexity-user)"
        ),
        MAC.format("Chrome/119.0.6045.214")
        + " (compatible; Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)",
        MAC.format("Version/13.1.1") + " (Applebot/0.1; +http://www.apple.com/go/applebot)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        ANDROID.format("Nexus 5X Build/MMB29P", "Mobile ") + " (compatible; Google-InspectionTool/1.0;)",
        ANDROID.format("Nexus 5X Build/MMB29P", "Mobile ") + " (compatible; GoogleOther)",
        ANDROID.format("Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0", "Mobile "),
        LINUX.format("Chrome/125.0") + " GTmetrix",
        LINUX.format("Chrome/125.0") + " DatadogSynthetics",
        ANDROID.format("Pixel 8", "Mobile ") + " (compatible; SomethingNew/1.0)",
    ],
)
def test_crawlers_are_known(user_agent: str) -> None:
    assert device_of(user_agent).crawler


@pytest.mark.parametrize(
    "user_agent",
    [
        ANDROID.format("CUBOT_X18", "Mobile "),
        ANDROID.format("CUBOT", "Mobile "),
        ANDROID.format("CUBOT_X18 Build/O11019; wv", "Mobile ")
        + " [FBAN/FB4A;FBAV/260.0;FBMF/CUBOT;FBBD/CUBOT;FBDV/CUBOT_X18;FBSV/8.1;]",
        "UCWEB/2.0 (MIDP-2.0; U; Adr 7.0; en-US; CUBOT_NOTE_S) U2/1.0.0 UCBrowser/10.7 U2/1.0.0 Mobile",
        "Mozilla/5.0 (Linux; U; Android 7.0; en-us; CUBOT ECHO Build/MRA58K) AppleWebKit/533.1 Mobile Safari/533.1",
        ANDROID.format("temi robot", ""),
        ANDROID.format("TECNO KI5k; wv", "Mobile ") + " trill_2023 BytedanceWebview/d8a21c6",
        ANDROID.format("SM-A546B Build/UP1A; wv", "Mobile ") + " [Pinterest/Android]",
        ANDROID.format("SM-A546B Build/UP1A; wv", "Mobile ") + " KAKAOTALK 2510400",
        ANDROID.format("SM-A546B Build/UP1A; wv", "Mobile ") + " NAVER(inapp; search; 2000; 12.6.3)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 GSA/320.0 Mobile/15E148",
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
            " [FBAN/FBIOS;FBAV/400.0;FBBV/1;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5;FBSS/3;FBID/phone]"
        ),
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; Touch)",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; Mozilla/4.0 (compatible; MSIE 6.0; SV1) ; .NET CLR 2.0)",
        "Mozilla/5.0 (compatible; Konqueror/4.5; Linux) KHTML/4.5.4 (like Gecko)",
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Slack/4.38 Electron/30.0 Safari/537.36",
        LINUX.format("HeadlessChrome/126.0.0.0"),
    ],
)
def test_a_persons_browser_is_none(user_agent: str) -> None:
    assert not device_of(user_agent).crawler


@pytest.mark.parametrize(
    "user_agent",
    [
        *("curl/8.5.0", "Python-urllib/3.11", "Java/21.0.1", "python-requests/2.32", "axios/1.7.2", "okhttp/4.12.0"),
        *("Go-http-client/2.0", "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "Wget/1.21.4", "node", ""),
    ],
)
def test_programs_that_send_on_purpose_are_none(user_agent: str) -> None:
    assert not device_of(user_agent).crawler


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255), max_size=512))
def test_any_user_agent_is_one_of_three(user_agent: str) -> None:
    assert device_of(user_agent).kind in ("mobile", "desktop", "tablet")
