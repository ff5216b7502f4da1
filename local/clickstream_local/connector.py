"""The archive's connector: the configurations of strimzi/archive, fitted to one place and to this pipeline's topics."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from clickstream_local.archive_place import LOCAL_WAREHOUSE, Place

NAME = "clickstream-archive"
CONTROL_TOPIC = "clickstream-archive-control"
_SESSION_TIMEOUT_MS = 12_000
FOLDER = Path(__file__).parents[2] / "strimzi" / "archive"


def read_connector(catalog: str) -> dict[str, str]:
    """Return the configuration for a kind of catalog: rest, glue or hadoop."""
    text = (FOLDER / f"connector-{catalog}.json").read_text(encoding="utf-8")
    config: dict[str, str] = json.loads(text)["config"]
    return config


def sink_group(place: Place) -> str:
    """Return the consumer group of a place: each place is filled from its own offsets, so that each is complete."""
    if place.warehouse == LOCAL_WAREHOUSE:
        return f"connect-{NAME}"
    return f"connect-{NAME}-{hashlib.sha256(place.warehouse.encode()).hexdigest()[:8]}"


def connector_config(place: Place, *, commit_interval_ms: int, topics: Mapping[str, str]) -> dict[str, str]:
    """Return the connector's configuration for a place; `topics` are this pipeline's names of topics by the usual."""
    config = read_connector(place.catalog)
    group = sink_group(place)
    if place.catalog == "rest" and not place.environ["CATALOG_CREDENTIAL"]:
        del config["iceberg.catalog.credential"]
        config["iceberg.catalog.rest.auth.type"] = "none"
    if "HADOOP_CONF_DIR" in place.environ:
        config["iceberg.hadoop-conf-dir"] = place.environ["HADOOP_CONF_DIR"]
    for patterns in ("topics.regex", "predicates.hasHeaders.pattern"):
        names = (topics.get(name, name) for name in config[patterns].split("|"))
        config[patterns] = "|".join(name.replace(".", r"\.") for name in names)
    return {
        **config,
        "iceberg.control.commit.interval-ms": str(commit_interval_ms),
        "iceberg.connect.group-id": group,
        "consumer.override.group.id": group,
        # How long Kafka waits for a worker that was killed, before its successor gets the topics and the control topic.
        "consumer.override.session.timeout.ms": str(_SESSION_TIMEOUT_MS),
        "iceberg.kafka.session.timeout.ms": str(_SESSION_TIMEOUT_MS),
    }
