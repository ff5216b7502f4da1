"""The values of each release: what is found out first, then the user's files, then the user's options, which win."""

from collections.abc import Sequence
from typing import Any

import yaml

from clickstream_deploy.apps import MONITORING, PROCESSOR, PRODUCER, App
from clickstream_deploy.listeners import Connection
from clickstream_deploy.options import Options
from clickstream_deploy.session import Session

Values = dict[str, Any]


class ReleaseValues:
    """Values as files for helm."""

    def __init__(self, session: Session) -> None:
        self.found: dict[str, Values] = {}
        """What was found out, by release."""
        self.for_apps: Values = {}
        """What was found out for all apps: the connection to Kafka, the nodes."""
        self._session = session

    def arguments(self, app: App) -> list[str]:
        """Return helm's arguments for this release; a later file of values wins."""
        options, release = self._session.options, app.release
        is_app = release != MONITORING  # whose values are not those that the apps share
        shared = [self.for_apps] if is_app else []
        texts = [yaml.safe_dump(each) for each in (*shared, self.found.get(release, {})) if each]
        texts += [each.text for each in options.values if each.release == release or (is_app and not each.release)]
        chosen = _chosen(options, release) if is_app else {}
        texts += [yaml.safe_dump(chosen)] if chosen else []
        return [each for number, text in enumerate(texts) for each in ("--values", self._file(release, number, text))]

    def _file(self, release: str, number: int, text: str) -> str:
        path = self._session.work / f"{release}-{number}.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)


def connection_values(connection: Connection, cluster_name: str) -> Values:
    """Return the values that tell an app how to reach Kafka."""
    return {
        "kafka": {
            "bootstrapServers": connection.bootstrap_servers,
            "tls": {"enabled": connection.tls, "caSecret": f"{cluster_name}-cluster-ca-cert"},
            "authentication": {"type": connection.authentication},
        }
    }


def node_values(architectures: Sequence[str], platform: str) -> Values:
    """The nodes whose architecture is that of the images, where not all nodes have one architecture."""
    if platform == "any" or (not platform and len(architectures) < 2):
        return {}
    return {"nodeSelector": {"kubernetes.io/arch": platform or "amd64"}}


def _chosen(options: Options, release: str) -> Values:
    """Return the values that the user's options set."""
    image = {"registry": options.image_registry, "tag": options.image_tag}
    values: Values = {"image": {name: value for name, value in image.items() if value}} if any(image.values()) else {}
    if release == PROCESSOR and options.window_size:
        values["windowSize"] = options.window_size
    if release == PRODUCER and options.rate:
        values["rate"] = yaml.safe_load(options.rate)
    return values
