"""What is stored of a page address that a client sends: enough to know the page, and nothing that may be secret.

The snippet does the same (`web/clickstream.js`); docs/collector.md#from-an-event-to-a-record says what is cut. The
folders of a local file identify the user, and addresses such as data: are their own content. Nothing is refused: what
is not an address, such as the name of an app's screen, is cut at `?` and `#` too.
"""

import re
from collections.abc import Sequence

_ANY_CASE = re.IGNORECASE | re.ASCII
_LEFT_OUT = {ord(character): None for character in "\t\r\n"}  # as browsers do
_AROUND = "".join(map(chr, range(33)))
_CONTENT = re.compile(r"(data|blob|javascript|vbscript|filesystem|view-source|mailto|tel|sms):", _ANY_CASE)
_FILE = re.compile(r"file:|[a-z]:[/\\]|\\\\", _ANY_CASE)  # file:///C:/x.html, C:\x.html, \\server\x.html
_FOLDER = re.compile(r"^(?:file:)?(?:.*(?:[/\\]|%2f|%5c))?", _ANY_CASE)
_USER = re.compile(r"^(?:(https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?//)[^/\\]*@|[^/\\@:]*:[^/\\]*@)", _ANY_CASE)
_ROUTE = re.compile(r"[/!][^?#]*")


class KeptParameters:
    """The query parameters that are kept, by their names as written in the address; `*` matches any characters."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
        self._name = re.compile("|".join(patterns)) if names else None

    def of(self, query: str) -> str:
        """Return the kept part of a query with its question mark; "" if nothing is kept."""
        if self._name is None or not query:
            return ""
        kept = [each for each in query.split("&") if self._name.fullmatch(each.partition("=")[0])]
        return f"?{'&'.join(kept)}" if kept else ""


NONE = KeptParameters()


def cut(address: str, kept: KeptParameters = NONE) -> str:
    """Return the kept part of an address, which may be empty."""
    while (shorter := _cut_once(address, kept)) != address:
        address = shorter  # after the user name there may be a file or content
    return address


def _cut_once(address: str, kept: KeptParameters) -> str:
    address = address.translate(_LEFT_OUT).strip(_AROUND)
    content = _CONTENT.match(address)
    if content:
        return content[0].lower()
    address, _, fragment = address.partition("#")
    page, _, query = address.partition("?")
    page = "file:///" + _FOLDER.sub("", page) if _FILE.match(page) else _USER.sub(r"\1", page)
    route = _ROUTE.match(fragment)
    return (page + kept.of(query) + (f"#{route[0]}" if route else "")).strip(_AROUND)
