"""The errors that the core raises. Each message says what was wrong, with which value, and what to do."""


class SettingsError(Exception):
    """A setting with which the program cannot run.

    The message is one line that names the setting, its value and what is allowed; `clickstream_core.process.run`
    prints it and exits with status 2.
    """


class IncompleteFiles(SettingsError):
    """Certificate files that seem to be in the middle of being written; the program waits until they are complete."""


class InvalidEvent(Exception):
    """A record that is not an event.

    `reason` is one of the dead letters' reasons, and the message explains it. `timestamp` is the record's event time in
    milliseconds if it can be read (it still advances the watermark), else None.
    """

    def __init__(self, reason: str, message: str, timestamp: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.timestamp = timestamp


class MalformedMetrics(ValueError):
    """A record on the metrics topic that is not a metrics record; the message says what is wrong."""


class MalformedReceipt(ValueError):
    """A header `receipt` that the processor does not write; the message says what is wrong."""
