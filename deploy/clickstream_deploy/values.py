"""The values of a release: what is found out first, then the user's files, then the user's options, which win."""

from typing import Any

import yaml

from clickstream_deploy.apps import PROCESSOR, PRODUCER
from clickstream_deploy.listeners import Connection
from clickstream_deploy.options import Options
from clickstream_deploy.session import Session

Values = dict[str, Any]


def connection_values(connection: Connection, cluster_name: str) -> Values:
    """Return the values that tell an app how to reach Kafka."""
    return {
        "kafka": {
            "bootstrapServers": connection.bootstrap_servers,
            "tls": {"enabled": connection.tls, "caSecret": f"{cluster_name}-cluster-ca-cert"},
            "authentication": {"type": connection.authentication},
        }
    }


def chosen_values(options: Options, release: str) -> Values:
    """Return the values of an app's release that the user's options set."""
    image = {"registry": options.image_registry, "tag": options.image_tag}
    values: Values = {"image": {name: value for name, value in image.items() if value}} if any(image.values()) else {}
    if options.build:
        values["image"]["digest"] = ""  # which would win over the tag that is built
    if release == PROCESSOR and options.window_size:
        values["windowSize"] = options.window_size
    if release == PRODUCER and options.rate:
        values["rate"] = yaml.safe_load(options.rate)
    return values


def value_arguments(session: Session, release: str, *parts: Values | str) -> list[str]:
    """Return helm's arguments for these values, some of them as YAML; a later file wins."""
    arguments = []
    for number, part in enumerate(parts):
        if part:
            path = session.work / f"{release}-{number}.yaml"
            path.write_text(part if isinstance(part, str) else yaml.safe_dump(part), encoding="utf-8")
            arguments += ["--values", str(path)]
    return arguments
