"""A request's header fields: lines of one name are one list, in their order (RFC 9110, section 5.3).

Proxies add lines or elements, and gateways join lines by commas, so all of these mean the same. `fields` reads the
lines once for each request; other modules use its mapping, through `elements` for a list and `single` for one value.
"""

from collections.abc import Iterable, Mapping

Headers = Mapping[bytes, bytes]

_FIRST_LINE_COUNTS = frozenset((b"user-agent", b"referer"))  # their values may have commas of their own


def fields(lines: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the values of a request's header lines by name; lines of one name are joined to one list."""
    found: dict[bytes, bytes] = {}
    for name, value in lines:
        if name not in found:
            found[name] = value
        elif name not in _FIRST_LINE_COUNTS:
            found[name] += b", " + value
    return found


def elements(headers: Headers, name: bytes) -> list[str]:
    """Return the elements of a list without empty ones, none for a missing field."""
    value = headers.get(name)
    if not value:
        return []
    return [element for part in value.decode("latin-1").split(",") if (element := part.strip())]


def single(headers: Headers, name: bytes) -> str:
    """Return a field's only value, "" if it is missing; repeated equal values are one, different ones stay a list."""
    return ", ".join(dict.fromkeys(elements(headers, name)))
