"""The context that every step gets."""

from dataclasses import dataclass, field
from pathlib import Path

from clickstream_deploy.cluster import Cluster
from clickstream_deploy.options import Options
from clickstream_deploy.programs import Helm, Programs
from clickstream_deploy.progress import Clock, Progress


@dataclass
class Outcome:
    """What cleanup.sh has done so far: whether something was removed, and whether something is left."""

    removed: bool = False
    left: bool = False


@dataclass(frozen=True)
class Session:
    """One run of setup.sh or cleanup.sh."""

    options: Options
    cluster: Cluster
    programs: Programs
    helm: Helm
    progress: Progress
    clock: Clock
    work: Path
    """A folder that is removed at the end."""
    kubernetes: str = ""
    """The cluster's version."""
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def namespace(self) -> str:
        """The namespace of Kafka and the apps."""
        return self.options.namespace

    @property
    def kafka(self) -> str:
        """The name of the Kafka cluster."""
        return self.options.cluster_name

    def removed(self, what: str) -> None:
        """Say what was removed, or would be."""
        self.progress.say(f"{'Would remove' if self.options.dry_run else 'Removed'} {what}")
        self.outcome.removed = True

    def left(self, what: str) -> None:
        """Say what is left."""
        self.progress.say(f"Left: {what}")
        self.outcome.left = True
