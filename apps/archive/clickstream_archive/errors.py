"""The errors that end a command with one line and exit status 1."""


class ArchiveError(Exception):
    """The archive can't be used as asked; the message says what was tried, why it failed, and what to do."""


class MissingTable(ArchiveError):
    """A table that does not exist (yet)."""
