"""What the processor's pure parts raise. Each message is one line."""


class UnreadableSketch(ValueError):
    """A partial's sketch is in no format that this version knows."""

    def __init__(self, sketch: bytes) -> None:
        super().__init__(f"a sketch of {len(sketch)} bytes has an unknown format: {sketch[:8].hex(' ')}")


class UnreadablePartial(Exception):
    """A partial of a window that may still change can't be decoded; the message says which and why."""


class BeyondTheLog(Exception):
    """The committed offset is beyond the log's end; the message contains both."""
