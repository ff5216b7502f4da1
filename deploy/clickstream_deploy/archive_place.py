"""Where the archive is, and the manifests of strimzi/archive made to fit it, the cluster and its Kafka."""

from dataclasses import dataclass
from typing import Any

from clickstream_deploy.listeners import NONE, SCRAM, Connection
from clickstream_deploy.objects import Manifest, at, name_of
from clickstream_deploy.options import Options

CONNECT_NAME = "clickstream-connect"
STORAGE_NAME = "clickstream-seaweedfs"
SECRET_NAME = "clickstream-archive-s3"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Place:
    """Where the archive is. `folder` is that of its overlay in strimzi/archive; `secret` holds the key of S3, "" for
    none; `region` is "" where it does not matter."""

    folder: str
    warehouse: str
    secret: str
    region: str = ""

    @property
    def is_dev(self) -> bool:
        """Whether it is in the cluster itself."""
        return self.folder == "dev"

    def values(self) -> dict[str, Any]:
        """Return the values of the chart clickstream-archive, whose defaults are those of the cluster's own storage."""
        if self.is_dev:
            return {}
        storage = {"endpoint": "", "region": self.region, "secret": self.secret}
        return {"catalog": {"type": "glue", "warehouse": self.warehouse}, "s3": storage}


@dataclass(frozen=True)
class Surroundings:
    """What the manifests are made to fit: the connection to Kafka and its version, "" for that of the image; the API
    version that the cluster serves; the nodes' labels; and the pods' annotations."""

    connection: Connection
    kafka_version: str
    api_version: str
    nodes: dict[str, str]
    annotations: dict[str, str]


def place_of(options: Options, region: str) -> Place:
    """The place that the options name; without a bucket it is the cluster itself."""
    if not options.archive_bucket:
        return Place("dev", "s3://clickstream-archive", SECRET_NAME)
    return Place("glue", f"s3://{options.archive_bucket}", options.archive_secret, region)


def results_of(place: Place) -> dict[str, Any]:
    """Return the values of the chart clickstream-statistics for results beside the archive."""
    if place.is_dev:
        storage = {"endpoint": f"http://{STORAGE_NAME}:8333", "secret": place.secret}
        return {"resultsTo": "s3a://clickstream-results/scenarios", "s3": storage}
    storage = {"region": place.region, "secret": place.secret}
    bucket = place.warehouse.replace("s3://", "s3a://")
    return {"resultsTo": f"{bucket}/scenario-results", "s3": storage}


def warehouse_of(connect: Manifest | None) -> str:
    """Return the place in which a KafkaConnect's sink writes, "" when there is none."""
    environment = at(connect, "spec", "template", "connectContainer", "env") or []
    return next((str(each.get("value")) for each in environment if each["name"] == "WAREHOUSE"), "")


def fitted(manifest: Manifest, place: Place, options: Options, around: Surroundings) -> Manifest:
    """Return the manifest as it is applied. The one given is not changed."""
    kind, spec = manifest["kind"], dict(manifest["spec"]) if "spec" in manifest else {}
    if kind == "KafkaConnect":
        spec = _connect(spec, place, options, around)
    elif kind == "StatefulSet":
        spec = _storage(spec, options, around)
    elif kind == "NetworkPolicy" and name_of(manifest) != STORAGE_NAME:
        spec = _policy(spec, around.connection)
    return {**manifest, "spec": spec} if spec else manifest


def _connect(spec: Manifest, place: Place, options: Options, around: Surroundings) -> Manifest:
    connection, template = around.connection, dict(spec["template"])
    spec |= {"bootstrapServers": connection.bootstrap_servers, "image": _image(spec["image"], options)}
    if around.kafka_version:
        spec["version"] = around.kafka_version
    if not connection.tls:
        spec.pop("tls")
    if connection.authentication == NONE:
        spec.pop("authentication")
    elif connection.authentication != SCRAM:
        certificate = {"secretName": CONNECT_NAME, "certificate": "user.crt", "key": "user.key"}
        spec["authentication"] = {"type": "tls", "certificateAndKey": certificate}
    container = template["connectContainer"]
    template["connectContainer"] = {**container, "env": _environment(container["env"], place)}
    if around.nodes:
        template["pod"] = {**template["pod"], "affinity": _affinity(around.nodes)}
    if around.annotations:
        template["pod"] = _annotated(template["pod"], around.annotations)
    spec["template"] = template
    return spec if around.api_version == "v1" else _older(spec)


def _environment(environment: list[Manifest], place: Place) -> list[Manifest]:
    """The bucket and its region; the key from the Secret that was named, and none without one."""
    given = {"WAREHOUSE": place.warehouse, **({"S3_REGION": place.region} if place.region else {})}
    found = [each for each in environment if each["name"] not in (*given, *KEYS)]
    keys = [
        {"name": each, "valueFrom": {"secretKeyRef": {"name": place.secret, "key": each}}}
        for each in KEYS
        if place.secret
    ]
    return [*keys, *found, *({"name": name, "value": value} for name, value in given.items())]


def _older(spec: Manifest) -> Manifest:
    """In v1beta2, group and topics are part of the worker's configuration."""
    moved = {
        "group.id": spec.pop("groupId"),
        "config.storage.topic": spec.pop("configStorageTopic"),
        "offset.storage.topic": spec.pop("offsetStorageTopic"),
        "status.storage.topic": spec.pop("statusStorageTopic"),
    }
    return {**spec, "config": {**moved, **spec["config"]}}


def _annotated(pod: Manifest, annotations: dict[str, str]) -> Manifest:
    metadata = pod.get("metadata", {})
    return {**pod, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}}}


def _storage(spec: Manifest, options: Options, around: Surroundings) -> Manifest:
    pod = dict(spec["template"]["spec"])
    (container,) = pod["containers"]
    pod["containers"] = [{**container, "image": _image(container["image"], options)}]
    if around.nodes:
        pod["nodeSelector"] = around.nodes
    return {**spec, "template": {**_annotated(spec["template"], around.annotations), "spec": pod}}


def _policy(spec: Manifest, connection: Connection) -> Manifest:
    """With the port of the listener, whose brokers may be those of another Kafka."""
    ports = [{"port": int(each.rpartition(":")[2])} for each in connection.bootstrap_servers.split(",")]
    rules = [{**rule, "ports": ports} if rule["ports"] == [{"port": 9093}] else rule for rule in spec["egress"]]
    return {**spec, "egress": rules}


def _affinity(nodes: dict[str, str]) -> Manifest:
    """Strimzi's pods have no nodeSelector."""
    wanted = [{"key": name, "operator": "In", "values": [value]} for name, value in nodes.items()]
    terms = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _image(image: str, options: Options) -> str:
    registry, _, rest = image.rpartition("/")
    name, _, tag = rest.partition(":")
    return f"{options.image_registry or registry}/{name}:{options.image_tag or tag}"
