"""A part of an installation: what setup.sh makes, and cleanup.sh removes."""

from clickstream_deploy.session import Session


class Component:
    """Does nothing; each component overrides the steps that it needs."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cluster = session.cluster
        self.options = session.options
        self.namespace = session.namespace
        self.say = session.progress.say
        self.detail = session.progress.detail

    def check(self) -> None:
        """Everything that can be known before anything is touched. Raises EndedError."""

    def rights(self) -> list[str]:
        """Return the rights that `install` needs; called after `check`."""
        return []

    def install(self) -> None:
        """Make what is missing, change what is different, and wait until it is Ready; in a dry run say so."""

    def next_steps(self) -> str:
        """Return what the user can do next."""
        return ""

    def look(self) -> None:
        """Find what there is to remove. Raises EndedError when it must not be removed."""

    def removal_rights(self) -> list[str]:
        """Return the rights that the removal needs; called after `look`."""
        return []

    def remove(self) -> None:
        """Remove it, unless it stays."""

    def say_what_is_left(self) -> None:
        """Report what is left after everything has been removed."""
