"""A part of an installation: what setup.sh makes, and cleanup.sh removes."""

import json

import yaml

from clickstream_deploy.apps import ROOT
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kinds import STRIMZI
from clickstream_deploy.objects import Manifest
from clickstream_deploy.options import DEFAULT_CLUSTER_NAME
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

    @property
    def strimzi(self) -> str:
        """The version of Strimzi's kinds that is used, "" where the cluster does not serve them."""
        return self.cluster.versions.get(STRIMZI, "")

    def manifests(self, folder: str) -> list[Manifest]:
        """Return what kustomize makes of strimzi/FOLDER, for the cluster that the user named."""
        made = self.session.programs.run("kubectl", "kustomize", str(ROOT / "strimzi" / folder))
        if made.status != 0:
            raise EndedError(f"kubectl kustomize strimzi/{folder} failed: {made.error.strip()}")
        return renamed(made.output, self.session.kafka)


def renamed(text: str, cluster_name: str) -> list[Manifest]:
    """Return the manifests, where data-on-eks stands only for the cluster's name. In JSON any name stays a text."""
    found = [json.dumps(each) for each in yaml.safe_load_all(text) if each is not None]
    return [json.loads(each.replace(DEFAULT_CLUSTER_NAME, cluster_name)) for each in found]
