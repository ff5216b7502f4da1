"""The kind of device of a user agent, and whether it is a crawler; docs/collector.md says who counts as one.

The kind follows from the device and the system that ua-parser (the maintained uap-core lists) finds in the user agent:
iPads and browsers on Android without `Mobile` are tablets, as the browser vendors define it; phones are mobile; all
else is a desktop, including televisions and Chromebooks. Some user agents hide the device (an iPad's is that of a Mac),
so the snippet sends `device_type` itself. Programs that post on purpose and browsers in automated tests are no
crawlers: both send only what their users want.
"""

import re
from functools import lru_cache

import ua_parser
from msgspec import Struct

_MOBILE_SYSTEMS = ("iOS", "Windows Phone", "BlackBerry OS", "KaiOS", "Symbian OS", "Firefox OS")
_TABLETS = ("iPad", "Kindle", "Generic Tablet")
_NO_TABLET = re.compile(r"TV\b|; AFT[A-Z]|BRAVIA|CrKey/|Chromebook|Pixelbook", re.ASCII)  # AFT: Amazon Fire TV
_LIBRARIES = ("Python-urllib", "Java/", "node-fetch/")
_CUBOT = re.compile("cubot", re.IGNORECASE)  # a maker of phones
_MODEL = re.compile(r"Android[^;)]*;(?: ?[a-z]{2}[-_][a-z]{2};)?[^;)]*", re.IGNORECASE | re.ASCII)
_CRAWLER = re.compile(
    r"(?:bot|spider|crawler)(?![a-z])"
    r"|\+ ?https?:|[\w.-]@[\w-]+\.[a-z]"
    r"|\).*\(compatible;"
    r"|prerender|rendertron|lighthouse|pagespeed|gtmetrix|synthetics|site24x7|uptime|health-?check|monitoring"
    r"|\bgoogle(?:other\b|-)|-google\b",
    re.IGNORECASE | re.ASCII,
)
_CACHED_DEVICES = 20_000


class Device(Struct, frozen=True):
    """`kind` is mobile, desktop or tablet."""

    kind: str
    crawler: bool


@lru_cache(maxsize=_CACHED_DEVICES)
def device_of(user_agent: str) -> Device:
    """Return the device of a user agent; an empty or unknown one counts as a desktop."""
    user_agent = _CUBOT.sub("Cubo", user_agent)
    parsed = ua_parser.parse(user_agent)
    family = parsed.device.family if parsed.device else ""
    system = parsed.os.family if parsed.os else ""
    return Device(_kind(user_agent, family, system), _is_crawler(user_agent, family))


def _kind(user_agent: str, family: str, system: str) -> str:
    if _NO_TABLET.search(user_agent):
        return "desktop"
    without_mobile = system == "Android" and user_agent.startswith("Mozilla/") and "Mobile" not in user_agent
    # Windows says "Tablet PC" on any computer with a touch screen.
    if family in _TABLETS or without_mobile or ("Tablet" in user_agent and system != "Windows"):
        return "tablet"
    if system in _MOBILE_SYSTEMS or system == "Android" or "Mobi" in user_agent:
        return "mobile"
    return "desktop"


def _is_crawler(user_agent: str, family: str) -> bool:
    if user_agent.startswith(_LIBRARIES):
        return False
    return family == "Spider" or _CRAWLER.search(_MODEL.sub("", user_agent)) is not None
