"""Header fields, languages and parameters of a request."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from clickstream_web.errors import Refused

T = TypeVar("T")
D = TypeVar("D")

_MAX_PARAMETERS = 20
_MAX_LANGUAGES = 20


def field(request: Request, name: str) -> str:
    """Return a header field, empty when it is absent; repeated lines are one list (RFC 9110, 5.3)."""
    return ", ".join(filter(None, request.headers.getlist(name)))


def accepts_gzip(request: Request) -> bool:
    """Return whether the client accepts a gzipped answer."""
    return any(
        offer.split(";")[0].strip().lower() == "gzip" and not offer.replace(" ", "").endswith(";q=0")
        for offer in field(request, "Accept-Encoding").split(",")
    )


def language(request: Request, languages: Sequence[str], default: str) -> str:
    """Return the language of an answer: that of the address (`?lang=ko`), otherwise the browser's preference."""
    asked = request.query_params.get("lang", "")
    if asked in languages:
        return asked
    return preferred_language(field(request, "Accept-Language"), languages) or default


def preferred_language(accepted: str, languages: Sequence[str]) -> str | None:
    """Return which of `languages` an Accept-Language header (RFC 9110, 12.5.4) prefers; None if it has none."""
    best, best_weight = None, 0.0
    for offer in accepted.split(",")[:_MAX_LANGUAGES]:
        tag, _, weight = offer.replace(" ", "").partition(";q=")
        name = tag.lower().split("-")[0]
        value = float(weight) if re.fullmatch(r"[01](?:\.[0-9]{0,3})?", weight) else 1.0
        if name in languages and value > best_weight:
            best, best_weight = name, value
    return best


class Query:
    """The query's parameters: only `allowed` ones, each at most once. Raises Refused."""

    def __init__(self, request: Request, *allowed: str) -> None:
        self._values: dict[str, str] = {}
        text = request.scope["query_string"].decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS)
        except ValueError as error:
            raise _refused("query", text[:100], f"expected at most {_MAX_PARAMETERS} parameters") from error
        for name, value in pairs:
            if name not in allowed:
                raise _refused(name, value, f"unknown parameter; expected {', '.join(allowed)}")
            if name in self._values:
                raise _refused(name, value, "given twice")
            self._values[name] = value

    def value(self, name: str, parse: Callable[[str], T], default: D) -> T | D:
        """Return the parsed parameter, or `default` without it. Raises Refused with what is allowed."""
        given = self._values.get(name)
        if given is None:
            return default
        try:
            return parse(given)
        except ValueError as error:
            raise _refused(name, given, str(error)) from error


def _refused(parameter: str, value: str, why: str) -> Refused:
    return Refused(400, f"{parameter}={value}: {why}", {"parameter": parameter, "value": value})
