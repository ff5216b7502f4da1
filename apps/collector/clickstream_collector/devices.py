"""Which kind of device a user agent stands for, and whether it is a crawler's.

Both are read from what ua-parser (the uap-core lists, which are kept up to date) makes of the user agent. The lists
name the device and the system, and the kind follows: iPads and Android without `Mobile` are tablets, as the browsers'
makers define it; phones are mobile; all else is a desktop. Crawlers are the devices that the lists call Spider.
Programs that post events on purpose are none (some HTTP libraries are in the list), nor are browsers that are driven by
a test: both send only what somebody asked them to.
"""

from functools import lru_cache

import ua_parser
from msgspec import Struct

_MOBILE_SYSTEMS = ("iOS", "Windows Phone", "BlackBerry OS", "KaiOS", "Symbian OS", "Firefox OS")
_TABLETS = ("iPad", "Kindle", "Generic Tablet")
_LIBRARIES = ("Python-urllib", "Java/")
_REMEMBERED = 20_000


class Device(Struct, frozen=True):
    """`kind` is mobile, desktop or tablet."""

    kind: str
    crawler: bool


@lru_cache(maxsize=_REMEMBERED)
def device_of(user_agent: str) -> Device:
    """Return the device of a user agent; an empty or unknown one is a desktop's."""
    parsed = ua_parser.parse(user_agent)
    family = parsed.device.family if parsed.device else ""
    system = parsed.os.family if parsed.os else ""
    crawler = family == "Spider" and not user_agent.startswith(_LIBRARIES)
    if family in _TABLETS or "Tablet" in user_agent or (system == "Android" and "Mobile" not in user_agent):
        kind = "tablet"
    elif system in _MOBILE_SYSTEMS or system == "Android" or "Mobi" in user_agent:
        kind = "mobile"
    else:
        kind = "desktop"
    return Device(kind, crawler)
