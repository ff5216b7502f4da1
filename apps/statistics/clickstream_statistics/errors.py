"""Failures of the job. Each message is one line that says what was wrong, with which value, and what to do."""


class JobError(Exception):
    """The job can't go on: it ends with exit status 1."""


class NotOurs(JobError):
    """A place belongs to something else: to another driver, another topic or another Kafka."""
