"""Every way to start a part of the product applies the patches of its Kafka client before it makes one."""

import os
import subprocess
import sys
import tomllib

import pytest

from kit import inventory

_RUN = """
import os, sys
from importlib import import_module
from clickstream_kafka import patches

def stop_at(name):
    def applied(*_, **__):
        print(name, flush=True)
        os._exit(0)
    return applied

patches.apply_to_aiokafka = stop_at("aiokafka")
patches.apply_to_kafka_python = stop_at("kafka-python")
module, _, function = sys.argv[1].partition(":")
count, sys.argv = int(sys.argv[2]), sys.argv[2:]
imported = import_module(module)
if function:
    getattr(imported, function)(*[""] * count)
"""


def commands() -> list[tuple[str, str]]:
    """The entry points of all packages that use a Kafka client, and the client."""
    found = []
    for file in inventory.projects():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        if "clickstream-archive" in project.get("scripts", {}):
            continue  # only one of its commands uses Kafka
        extras = [each for each in project["dependencies"] if each.startswith("clickstream-kafka[")]
        client = "kafka-python" if any("kafka-python" in each for each in extras) else "aiokafka"
        found += [(entry, client) for entry in project.get("scripts", {}).values() if extras]
    return found


def test_the_commands_are_those_of_four_apps() -> None:
    assert {entry.partition(".")[0].removeprefix("clickstream_") for entry, _ in commands()} >= {
        *("producer", "streams", "consumer", "collector")
    }


@pytest.mark.parametrize(
    ("entry", "client", "arguments"),
    [
        *((entry, client, 0) for entry, client in commands()),
        ("clickstream_collector.asgi", "aiokafka", 0),
        ("clickstream_collector.aws_lambda", "aiokafka", 0),
        ("clickstream_producer.workers:_child", "kafka-python", 3),
        ("clickstream_consumer.check:check", "kafka-python", 1),
        ("clickstream_local.main:main", "kafka-python", 0),
        ("clickstream_archive.verify:main", "kafka-python", 1),
    ],
)
def test_an_entry_point_applies_the_patches_of_its_client(entry: str, client: str, arguments: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, entry, str(arguments)],
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "HTTP_PORT": "8080", "ADMIN_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"{client}\n", done.stderr
