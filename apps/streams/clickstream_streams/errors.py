"""What ends the processor, and what it has to pass over. Each message is one line."""


class FatalError(Exception):
    """The processor can't go on; its message says what was found and what an operator has to do."""


class UnreadableSketch(ValueError):
    """A partial's sketch is in no format that this version knows."""

    def __init__(self, sketch: bytes) -> None:
        super().__init__(f"a sketch of {len(sketch)} bytes has an unknown format: {sketch[:8].hex(' ')}")
