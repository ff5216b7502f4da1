"""What ends an app that works on Kafka. Each message is one line."""


class FatalError(Exception):
    """The app can't go on; its message says what was found and what an operator has to do."""
