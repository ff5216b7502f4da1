"""What is kept of an address that a client gives: which page it was, and nothing that may be secret.

The same as the snippet keeps (`web/clickstream.js`). Cut off are the query, but for the parameters that
KEPT_QUERY_PARAMETERS names; the fragment, but for a hash router's path (`#/cart`, `#!/cart`) without its query; and
user and password. Of a file on somebody's computer only the last name is kept, as in file:///index.html, for its
folders tell who that is; of addresses that are their own content (data:, javascript:, ...) only the scheme.

Nothing is refused: what is no address, the name of an app's screen say, is cut at `?` and `#` too.
"""

import re
from collections.abc import Sequence

_ANY_CASE = re.IGNORECASE | re.ASCII
_LEFT_OUT = {ord(character): None for character in "\t\r\n"}  # as browsers do when they read an address
_AROUND = "".join(map(chr, range(33)))
_CONTENT = re.compile(r"(data|blob|javascript|vbscript|filesystem|view-source|mailto|tel|sms):", _ANY_CASE)
_FILE = re.compile(r"file:|[a-z]:[/\\]|\\\\", _ANY_CASE)  # file:///C:/x.html, C:\x.html, \\server\x.html
_FOLDER = re.compile(r"^(?:file:)?(?:.*(?:[/\\]|%2f|%5c))?", _ANY_CASE)
_USER = re.compile(r"^(?:(https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?//)[^/\\]*@|[^/\\@:]*:[^/\\]*@)", _ANY_CASE)
_ROUTE = re.compile(r"[/!][^?#]*")


class KeptParameters:
    """The query parameters that are kept, by their names as they stand in the address; `*` is any number of letters."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
        self._name = re.compile("|".join(patterns)) if names else None

    def of(self, query: str) -> str:
        """Return what is kept of a query, with a question mark before it; empty when that is nothing."""
        if self._name is None or not query:
            return ""
        kept = [each for each in query.split("&") if self._name.fullmatch(each.partition("=")[0])]
        return f"?{'&'.join(kept)}" if kept else ""


NONE = KeptParameters()


def cut(address: str, kept: KeptParameters = NONE) -> str:
    """Return what is kept of an address, which may be nothing."""
    while (shorter := _cut_once(address, kept)) != address:
        address = shorter  # what stood behind a user's name may be a file's, or content
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
