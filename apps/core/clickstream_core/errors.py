"""The errors that the core raises itself. Each message says what was wrong, with which value, and what to do."""


class SettingsError(Exception):
    """A setting that the program cannot run with.

    The message is one line that names the setting, its value and what is allowed; `clickstream_core.process.run`
    prints it and ends the program with exit status 2.
    """


class FilesNotWhole(SettingsError):
    """Certificate files that look as if they were being written at this moment; whole ones are waited for."""


class InvalidEvent(Exception):
    """A record that is not an event.

    `reason` is one of the dead letters' reasons, the message says it in prose, and `timestamp` is the record's event
    time in milliseconds where it can be read all the same (it moves the watermark), else None.
    """

    def __init__(self, reason: str, message: str, timestamp: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.timestamp = timestamp


class MalformedMetrics(ValueError):
    """A record on the metrics topic that is not a metrics record; the message says what is wrong."""
