"""The patterns of `matches`: RE2's, which take time in proportion to the text, whatever the pattern.

A pattern is looked for anywhere in the text; `^` and `$` tie it to the ends. Back references and look-around, which RE2
does not have, are refused when the scenario is saved.
"""

from collections.abc import Callable
from functools import lru_cache

import re2

MAX_PATTERN_LENGTH = 1000
_MAX_PROGRAM_BYTES = 1024 * 1024

Search = Callable[[str], bool]


class InvalidPattern(ValueError):
    """A pattern that RE2 does not take; the message says why."""


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Search:
    """Return whether a text contains a match, as a function. Raises InvalidPattern."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidPattern(f"must be a pattern of at most {MAX_PATTERN_LENGTH} characters, not {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PROGRAM_BYTES
    try:
        search = re2.compile(pattern, options).search
    except (re2.error, UnicodeError) as error:
        raise InvalidPattern(f"is no pattern of RE2: {_text(error)}") from error
    return lambda text: search(text) is not None


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
