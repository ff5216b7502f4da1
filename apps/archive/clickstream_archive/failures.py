"""What the libraries raise when a catalog, a storage or a file fails, and their words in one line."""

import re
import sys

_RAISED = (
    ("pyiceberg.exceptions", "RESTError"),
    ("requests.exceptions", "RequestException"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("pydantic", "ValidationError"),
    ("duckdb", "OperationalError"),
    ("duckdb", "InvalidInputException"),
    ("pyarrow", "ArrowInvalid"),
)
"""Only what the world causes: the other errors of DuckDB and PyArrow are mistakes in the code."""


def failures() -> tuple[type[Exception], ...]:
    """Return the errors that are no mistakes in the code, of the libraries that are imported by now."""
    return (OSError, *(getattr(sys.modules[module], name) for module, name in _RAISED if module in sys.modules))


def one_line(error: BaseException) -> str:
    """Return the error's message in one line of at most 400 characters, without DuckDB's repetition of the query."""
    text = re.split(r"\n\s*\nLINE ", str(error))[0]
    return " ".join(text.split())[:400] or type(error).__name__


def last_words(error: BaseException) -> str:
    """Return the innermost cause in one line."""
    while error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # one of them is there
    return one_line(error)
