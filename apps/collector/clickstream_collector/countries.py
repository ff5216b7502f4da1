"""The visitor's country: from a CDN's header, else from a database of addresses, else unknown."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import maxminddb

from clickstream_collector.headers import Headers, elements
from clickstream_core.errors import SettingsError

UNKNOWN = "ZZ"  # a code that ISO 3166 leaves to users; CLDR calls it the unknown region

_CODE = re.compile(r"[A-Za-z]{2}", re.ASCII)
_NOWHERE = ("XX", "T1", UNKNOWN)  # Cloudflare: unknown


class Countries:
    """Looks up countries as ISO 3166 alpha-2 codes; the `headers` are read in order, then the `database` (.mmdb).

    Raises SettingsError when the database can't be used.
    """

    def __init__(self, headers: Sequence[str], database: Path | None = None) -> None:
        self._headers = [header.lower().encode() for header in headers]
        self._database = None
        if database is not None:
            try:
                self._database = maxminddb.open_database(database)
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                raise SettingsError(f"COUNTRY_DATABASE={database}: expected a MaxMind DB file ({error})") from error

    def country(self, headers: Headers, address: str) -> str:
        """Return the country of a request's visitor, or UNKNOWN."""
        for header in self._headers:
            for element in reversed(elements(headers, header)):  # the last one is the nearest proxy's
                code = element.upper()
                if _CODE.fullmatch(code) and code not in _NOWHERE:
                    return code
        return UNKNOWN if self._database is None else _iso_code(self._database, address)


def _iso_code(database: maxminddb.Reader, address: str) -> str:
    try:
        found: Any = database.get(address)
    except ValueError:  # not an address, or IPv6 in a database of IPv4
        return UNKNOWN
    for place in ("country", "registered_country") if isinstance(found, dict) else ():
        named = found.get(place)
        code = named.get("iso_code") if isinstance(named, dict) else named  # in some databases it is the code itself
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code.upper()
    return UNKNOWN
