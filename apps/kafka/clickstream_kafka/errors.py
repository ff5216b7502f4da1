"""How Kafka fails, as all apps call it. Each message is one line: what happened, with which value, and what to do."""


class KafkaUnavailable(Exception):
    """Kafka does not answer, or can't serve at the moment; trying again later may help."""


class KafkaRefused(Exception):
    """Kafka answers and refuses for good: a password, an ACL or a topic's setting has to be changed first."""


class FatalError(Exception):
    """The app can't go on; its message says what was found and what an operator has to do."""


class CommitUndecided(TimeoutError):
    """A transaction holds the group's commit, and the brokers have neither committed nor aborted it in time."""


class BatchTooLarge(Exception):
    """A record batch that unpacks to more bytes than allowed; the message says how many that is."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"it unpacks to more than {max_bytes >> 20} MiB")
