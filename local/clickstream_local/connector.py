"""The archive's connector: the configurations of strimzi/archive, fitted to one place and to this pipeline's topics."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream_local.archive_place import Place

NAME = "clickstream-archive"
CLUSTER_PROPERTY, SINK_PROPERTY = "clickstream.kafka-cluster-id", "clickstream.sink"
"""Of the table: the cluster whose records it holds, and the sink that fills it."""

_SESSION_TIMEOUT_MS = 12_000
FOLDER = Path(__file__).parents[2] / "strimzi" / "archive"


@dataclass(frozen=True)
class Sink:
    """What fills one place. All that Kafka keeps of it has names of its own, so each place is complete."""

    name: str = NAME

    @property
    def group(self) -> str:
        """The consumer group with the offsets of the records that are in files."""
        return f"connect-{self.name}"

    @property
    def coordinator_group(self) -> str:
        """The group with the offset of the control topic up to which files are in the table."""
        return f"{self.group}-coord"

    @property
    def control_topic(self) -> str:
        """The topic with the names of written files."""
        return f"{NAME}-control{self._suffix}"

    @property
    def worker_group(self) -> str:
        """The group of the worker: another place's worker must not start this one's connector."""
        return f"clickstream-connect{self._suffix}"

    @property
    def _suffix(self) -> str:
        return self.name.removeprefix(NAME)


def read_connector(catalog: str) -> dict[str, str]:
    """Return the configuration for a kind of catalog: rest, glue or hadoop."""
    text = (FOLDER / f"connector-{catalog}.json").read_text(encoding="utf-8")
    config: dict[str, str] = json.loads(text)["config"]
    return config


def new_sink(place: Place) -> Sink:
    """Return the sink that begins to fill a place."""
    if place.own:
        return Sink()
    known_by = " ".join(filter(None, (place.warehouse, place.environ.get("CATALOG_URI"))))
    return Sink(f"{NAME}-{hashlib.sha256(known_by.encode()).hexdigest()[:8]}")


def connector_config(
    place: Place, sink: Sink, cluster_id: str, *, commit_interval_ms: int, topics: Mapping[str, str]
) -> dict[str, str]:
    """Return the connector's configuration for a place; `topics` are this pipeline's names of topics by the usual."""
    config = read_connector(place.catalog)
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
        f"iceberg.tables.auto-create-props.{CLUSTER_PROPERTY}": cluster_id,
        f"iceberg.tables.auto-create-props.{SINK_PROPERTY}": sink.name,
        "iceberg.control.topic": sink.control_topic,
        "iceberg.connect.group-id": sink.group,
        "consumer.override.group.id": sink.group,
        # How long Kafka waits for a worker that was killed, before its successor gets the topics and the control topic.
        "consumer.override.session.timeout.ms": str(_SESSION_TIMEOUT_MS),
        "iceberg.kafka.session.timeout.ms": str(_SESSION_TIMEOUT_MS),
    }
