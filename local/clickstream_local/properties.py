"""Java properties files, as java.util.Properties.load reads them from bytes.

Source: the documentation of java.util.Properties. The bytes are ISO-8859-1; a backslash starts an escape; a key ends at
the first space, `=` or `:`; a line that starts with `#` or `!` is a comment; spaces before a value are skipped.
"""

from collections.abc import Mapping

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
_ENDS_A_KEY = " =:#!"


def format_properties(properties: Mapping[str, str]) -> bytes:
    """Return a properties file that Java reads as exactly these keys and values, one per line."""
    lines = (f"{_escaped(key, _ENDS_A_KEY)}={_value(value)}\n" for key, value in properties.items())
    return "".join(lines).encode("ascii")


def _value(text: str) -> str:
    unpadded = text.lstrip(" ")
    return "\\ " * (len(text) - len(unpadded)) + _escaped(unpadded)


def _escaped(text: str, special: str = "") -> str:
    return "".join("\\" + sign if sign in special else _ESCAPES.get(sign) or _ascii(sign) for sign in text)


def _ascii(sign: str) -> str:
    """Return a printable ASCII character unchanged, any other as the \\uXXXX of its UTF-16 code units."""
    if " " <= sign <= "~":
        return sign
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
