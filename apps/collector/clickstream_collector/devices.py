"""Which kind of device a user agent stands for, and whether it is a crawler's.

The kind follows from the device and the system that ua-parser (the uap-core lists, which are kept up to date) finds in
the user agent: iPads and browsers on Android without `Mobile` are tablets, as the browsers' makers define it; phones
are mobile; all else is a desktop, televisions and Chromebooks too. What a user agent hides (an iPad's is a Mac's, and
any tablet can ask for desktop pages) only the browser can tell: the snippet then says `device_type` itself.

Crawlers are the devices that the lists call Spider, and whoever names itself: by a word that ends with bot, spider or
crawler; by an address where its owner can be reached (+https://...); by `(compatible; ...)` behind a whole browser's
user agent; or by the name of a service that watches, renders or measures pages in a real browser, where the snippet
runs. A phone's model is no such name. Programs that post events on purpose are none (some HTTP libraries are in the
list), nor are browsers that are driven by a test: both send only what somebody asked them to.
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
_REMEMBERED = 20_000


class Device(Struct, frozen=True):
    """`kind` is mobile, desktop or tablet."""

    kind: str
    crawler: bool


@lru_cache(maxsize=_REMEMBERED)
def device_of(user_agent: str) -> Device:
    """Return the device of a user agent; an empty or unknown one is a desktop's."""
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
