"""What ends the processor: conditions that no retry mends. The message is one line that says what to do."""


class FatalError(Exception):
    """The processor can't go on; its message says what was found and what an operator has to do."""
