"""On which nodes the apps run, where not all have one architecture: on those for which there are images."""

from collections.abc import Sequence
from typing import Any

from clickstream_deploy.apps import LOCAL, version
from clickstream_deploy.build import Images, architectures_of_nodes
from clickstream_deploy.cluster import side_by_side
from clickstream_deploy.component import Component
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kinds import NODE
from clickstream_deploy.objects import Manifest, label
from clickstream_deploy.registry import architectures_of
from clickstream_deploy.session import Session

_USUAL = "amd64"


class Nodes(Component):
    """The choice of nodes, by --platform or by the architectures of the images."""

    values: dict[str, Any]
    """For all apps: of their images, and of the nodes that fit these."""
    region = ""
    """Of the cloud, "" where the nodes don't name it."""

    def __init__(self, session: Session, images: Images) -> None:
        super().__init__(session)
        self._images = images

    def check(self) -> None:
        """A user who may not read nodes gives --platform. Raises EndedError when the images fit no node."""
        nodes = self.cluster.seen_objects(NODE)
        self.region = next((label(each, "topology.kubernetes.io/region") for each in nodes), "")
        architecture = self.options.platform or self._choose(nodes)
        selector = {} if architecture == "any" else {"nodeSelector": {"kubernetes.io/arch": architecture}}
        self.values = {**self._images.values(), **selector}

    def _choose(self, nodes: Sequence[Manifest]) -> str:
        """Return the architecture of the nodes that the apps need, or any."""
        there = architectures_of_nodes(nodes)
        if len(there) < 2:
            return "any"
        named, images = f"nodes are {' and '.join(there)}", self._images.architectures or self._in_registry()
        fitting = [each for each in there if each in images]
        if not images:
            self.say(f"{named.capitalize()}: the apps run on {_USUAL} (--platform names another, or any)")
            return _USUAL
        if not fitting:
            raise EndedError(f"{named}, and the images are for {' and '.join(sorted(images))}")
        if fitting == there:
            self.say(f"{named.capitalize()}, and so are the images")
            return "any"
        self.say(
            f"{named.capitalize()}: the apps run on {fitting[0]}, as their images do (--platform names another, or any)"
        )
        return fitting[0]

    def _in_registry(self) -> frozenset[str]:
        """Return the architectures that all images have in the registry; nothing when one's can't be found out."""
        registry, tag = self.options.image_registry, self.options.image_tag or version()
        if registry in ("", LOCAL):
            return frozenset()
        images = [f"{registry}/clickstream-{app}:{tag}" for app in self._images.apps]
        found = side_by_side(lambda image: architectures_of(self.session.programs, image), images)
        return frozenset.intersection(*found)
