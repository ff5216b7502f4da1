"""Text in SQL, for DuckDB and in the filters of PyIceberg."""


def quoted(text: str) -> str:
    """Return the text as a string in SQL."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """Return the text as a name in SQL."""
    return '"' + text.replace('"', '""') + '"'
