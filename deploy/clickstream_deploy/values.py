"""The values of a release: what is found out first, then the user's files, then the user's options, which win."""

from typing import Any

import yaml

from clickstream_deploy.apps import PROCESSOR, PRODUCER
from clickstream_deploy.listeners import Connection
from clickstream_deploy.options import Options

Values = dict[str, Any]


def connection_values(connection: Connection, cluster_name: str) -> Values:
    """Return the values for reaching Kafka."""
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
    chosen = {name: value for name, value in image.items() if value}
    if options.build:
        chosen["digest"] = ""  # which would win over the tag that is built
    found: Values = {
        "image": chosen,
        "windowSize": options.window_size if release == PROCESSOR else "",
        "rate": yaml.safe_load(options.rate) if release == PRODUCER and options.rate else None,
        "kind": options.kind if release == PRODUCER else "",
    }
    return {name: value for name, value in found.items() if value}
