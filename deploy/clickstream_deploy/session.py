"""The context that every step gets."""

from dataclasses import dataclass
from pathlib import Path

from clickstream_deploy.cluster import Cluster
from clickstream_deploy.options import Options
from clickstream_deploy.programs import Programs
from clickstream_deploy.progress import Clock, Progress


@dataclass
class Session:
    """One run of setup.sh or cleanup.sh; `removed` and `left` note what cleanup.sh did."""

    options: Options
    cluster: Cluster
    programs: Programs
    progress: Progress
    clock: Clock
    work: Path
    """A folder that is removed at the end."""
    kubernetes: str = ""
    """The cluster's version."""
    has_removed: bool = False
    has_left: bool = False

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
        self.has_removed = True

    def left(self, what: str) -> None:
        self.progress.say(f"Left: {what}")
        self.has_left = True
