r"""A query parameter's name or value, decoded from how it stands in an address or in an access log.

A browser, a page's script and NGINX each escape in their own way, and all of it is undone once, in this order:

- `+` is a space, as in forms;
- `\xNN` is a byte: NGINX writes control characters, `"`, `\` and all bytes above 126 in this way (escape=default);
- `%XX` is a byte, `%uXXXX` a UTF-16 unit: JavaScript's old `escape`;
- the bytes are UTF-8; those that are not become U+FFFD;
- `\uXXXX` is a UTF-16 unit, as in reference 004's example: text that was taken out of JSON.

Units of a surrogate pair become one character, half a pair becomes U+FFFD. What is no complete escape stays as it is.
"""

import re
from urllib.parse import unquote_to_bytes

_ESCAPED = re.compile(r"[%+\\]")
_BYTE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_PERCENT_UNITS = re.compile(rb"(?:%[uU][0-9a-fA-F]{4})+")
_UNITS = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def decode(text: str) -> str:
    """Return the decoded text."""
    if _ESCAPED.search(text) is None:
        return text
    data = text.replace("+", " ").encode("utf-8", "surrogatepass")
    if b"\\x" in data:
        data = _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), data)
    if b"%" in data:
        data = unquote_to_bytes(_PERCENT_UNITS.sub(_units_in_utf8, data))
    decoded = data.decode("utf-8", "replace")
    return _UNITS.sub(lambda found: _characters(found[0].replace("\\u", "")), decoded) if "\\u" in decoded else decoded


def parameters(query: str) -> dict[str, str]:
    """Return the parameters by their decoded names, the values not decoded yet; the first of several counts."""
    found: dict[str, str] = {}
    plain = _ESCAPED.search(query) is None
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name:
            found.setdefault(name if plain else decode(name), value)
    return found


def _units_in_utf8(found: "re.Match[bytes]") -> bytes:
    return _characters(found[0].decode().lower().replace("%u", "")).encode()


def _characters(units: str) -> str:
    return bytes.fromhex(units).decode("utf-16-be", "replace")
