"""A part of an installation: what setup.sh makes, and cleanup.sh removes."""

from clickstream_deploy.session import Session


class Component:
    """Nothing; each component does what it needs of this."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cluster = session.cluster
        self.options = session.options
        self.progress = session.progress

    def check(self) -> None:
        """Everything that can be known before anything is touched, and this user's rights. Raises EndedError."""

    def install(self) -> None:
        """Make what is missing, change what is different, and wait until it is Ready; in a dry run say so."""

    def next_steps(self) -> str:
        """What the user may do with it."""
        return ""

    def look(self) -> None:
        """Find what is there to be removed, and whether that may be. Raises EndedError."""

    def removal_rights(self) -> list[tuple[str, object]]:
        """What this user needs for it, after `look`."""
        return []

    def remove(self) -> None:
        """Remove it, unless it is to stay."""

    def say_what_is_left(self) -> None:
        """After everything has been removed."""
