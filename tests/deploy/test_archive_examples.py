"""strimzi/archive/examples: plain JSON objects, written by Aiven's S3 sink."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "strimzi" / "archive" / "examples"

AIVENS = {
    *("aws.s3.bucket.name", "aws.s3.region"),
    *("file.compression.type", "file.max.records", "file.name.template"),
    *("file.name.timestamp.source", "file.name.timestamp.timezone"),
    *("format.output.type", "format.output.fields", "format.output.fields.value.encoding", "format.output.envelope"),
}
"""Names from S3ConfigFragment, FileNameFragment and OutputFormatFragment of the sink's source, version 3.4.2."""
CONNECTS = re.compile(
    r"(consumer\.override|errors|key\.converter|value\.converter)(\..+)?|connector\.class|tasks\.max|topics"
)


def load(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


def connector() -> dict[str, str]:
    config: dict[str, str] = json.loads((EXAMPLES / "s3-json.json").read_text(encoding="utf-8"))["config"]
    return config


def test_the_json_and_the_kafka_connector_are_the_same() -> None:
    manifest = load("kafka-connector.yaml")
    spec = manifest["spec"]

    said = {"connector.class": spec["class"], "tasks.max": str(spec["tasksMax"]), **spec["config"]}
    assert said == connector()
    assert manifest["metadata"]["name"] == json.loads((EXAMPLES / "s3-json.json").read_text())["name"]


def test_each_property_is_one_of_kafka_connects_or_of_the_sinks() -> None:
    own = {name for name in connector() if CONNECTS.fullmatch(name) is None}

    assert own == AIVENS
    assert all(isinstance(value, str) for value in connector().values())


def test_ten_events_make_an_object_below_the_hour_of_the_record() -> None:
    config = connector()
    template = config["file.name.template"]

    assert config["file.max.records"] == "10"
    assert re.findall(r"(\w+)=\{\{timestamp:unit=(\w+)}}", template) == [
        ("year", "yyyy"),
        ("month", "MM"),
        ("day", "dd"),
        ("hour", "HH"),
    ]
    assert {"topic", "partition", "start_offset"} <= set(re.findall(r"\{\{(\w+)", template))
    assert config["file.name.timestamp.source"] == "EVENT"


def test_a_lines_value_stands_alone() -> None:
    """The sink refuses to leave the envelope out for more than one field."""
    config = connector()

    assert (config["format.output.fields"], config["format.output.envelope"]) == ("value", "false")


def test_the_workers_and_their_user_fit_the_connector() -> None:
    connect, user = load("kafka-connect.yaml"), load("clickstream-json-user.yaml")
    name = connect["metadata"]["name"]
    rights = {(acl["resource"]["type"], acl["resource"]["name"]) for acl in user["spec"]["authorization"]["acls"]}

    assert load("kafka-connector.yaml")["metadata"]["labels"]["strimzi.io/cluster"] == name
    assert connect["spec"]["authentication"]["username"] == user["metadata"]["name"]
    assert rights >= {
        ("group", connect["spec"]["groupId"]),
        ("group", f"connect-{json.loads((EXAMPLES / 's3-json.json').read_text())['name']}"),
        ("topic", connector()["topics"]),
    }
    prefix = f"{name}-"
    topics = [value for key, value in connect["spec"].items() if key.endswith("StorageTopic")]
    assert all(topic.startswith(prefix) for topic in (*topics, connector()["errors.deadletterqueue.topic.name"]))
    assert ("topic", prefix) in rights


def test_the_sink_is_downloaded_in_one_version_and_checked() -> None:
    ((artifact,),) = (plugin["artifacts"] for plugin in load("kafka-connect.yaml")["spec"]["build"]["plugins"])

    assert re.fullmatch(r"[0-9a-f]{128}", artifact["sha512sum"])
    assert artifact["url"].endswith(f".{artifact['type']}")
    assert artifact["url"] in (EXAMPLES / "README.md").read_text(encoding="utf-8")
