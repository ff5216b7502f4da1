"""examples/serverless: what Terraform made, run together: the instance's script, Kafka, Connect, and the function.

The user data of the instance runs in a folder, its units as processes, and the function's handler in AWS's runtime
client with the function's environment. Both have the rights of their roles and no others. Kafka's address and that of
the VPC endpoint are this machine's, because those that Terraform made lie in a network that there isn't.
"""

import base64
import gzip
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kit.aws import Aws
from kit.iam import acting_as, plain_http
from kit.instance import Instance, JarsMissing, maven_central
from kit.lambda_runtime import RuntimeApi, runtime_api, start_function
from kit.poll import eventually
from kit.processes import Apps
from kit.skipping import skip
from kit.terraform import Applied, Living

_ORIGIN = "https://blog.example.com"
_EVENT = Path(__file__).parents[2] / "apps/collector/tests/gateway_events/post-json.json"
_TO_ALL_BY_HTTPS = ('aws_vpc_security_group_egress_rule.https["0.0.0.0/0"]',)
_CLICKS = 5


@pytest.fixture
def made(living: Living) -> Iterator[Applied]:
    variables = {"allowed_origins": [_ORIGIN], "commit_interval_s": 10, "disposable": True}
    with living("examples/serverless", **variables, _open_to_the_world=_TO_ALL_BY_HTTPS) as made:
        yield made


def test_a_click_at_the_function_is_in_kafka_and_then_in_the_archive(
    made: Applied, aws: Aws, apps: Apps, tmp_path: Path, java: Path
) -> None:
    function = aws.client("lambda").get_function_configuration(FunctionName="clickstream-collector")
    assert function["Environment"]["Variables"]["KAFKA_BOOTSTRAP_SERVERS"].startswith(_address(made))
    policies = {each.address: each.values["policy"] for each in (*made.state.of("aws_iam_role_policy"),)}
    (archive,) = made.state.of("aws_iam_policy")
    rights = {
        "instance": [policies["module.kafka.aws_iam_role_policy.this"], archive.values["policy"]],
        "function": [policies["module.collector.aws_iam_role_policy.this"]],
    }
    user_data = gzip.decompress(base64.b64decode(_one(made, "aws_instance")["user_data_base64"])).decode()
    bucket = made.state.one("aws_s3_bucket")["bucket"]
    with plain_http(aws, bucket), acting_as(aws, **rights) as environ, ExitStack() as running:
        instance = Instance(tmp_path, user_data, environ["instance"], java)
        _boot(instance)
        for unit in ("clickstream-kafka", "clickstream-topics", "clickstream-connect", "clickstream-connector"):
            if unit == "clickstream-topics":
                status, output = instance.run(unit)
                assert status == 0, output
            else:
                running.enter_context(instance.running(unit))
        api = running.enter_context(runtime_api())
        settings = {
            **environ["function"],
            **function["Environment"]["Variables"],
            "KAFKA_BOOTSTRAP_SERVERS": instance.address,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws.address,
        }
        start_function(apps, api, function["ImageConfigResponse"]["ImageConfig"]["Command"][0], settings)

        assert eventually(lambda: _click(api, _ORIGIN)[0] == 200, 30)  # 503 as long as Kafka is slow to answer
        clicks = [_click(api, _ORIGIN) for _ in range(_CLICKS)]
        stored = {event for status, event in clicks if status == 200}
        assert stored
        assert _click(api, "https://elsewhere.example.com")[0] == 403
        place = {**environ["instance"], "S3_ENDPOINT": aws.address}
        place |= dict(pair.split("=", 1) for pair in made.outputs["archive_environment"].split())
        eventually(lambda: _archived(place) >= stored, 180, every=2)


def _address(made: Applied) -> str:
    address: str = _one(made, "aws_network_interface")["private_ip"]
    return address


def _one(made: Applied, type_: str) -> dict[str, Any]:
    return made.state.one(type_)


def _boot(instance: Instance) -> None:
    """The first start, and once more: every step may be repeated."""
    try:
        with maven_central() as maven:
            for _ in range(2):
                status, output = instance.boot(maven)
                assert status == 0, output
    except JarsMissing as missing:
        skip(str(missing))
    assert instance.calls("mkfs.xfs")[0] == "-q -L cs-data /dev/null"
    assert instance.calls("systemctl")[1].startswith("enable --now clickstream-kafka")


def _click(api: RuntimeApi, origin: str) -> tuple[int, str]:
    """The status of an event that a page of this origin sends, and its id."""
    event_id = str(uuid.uuid4())
    event = json.loads(_EVENT.read_text(encoding="utf-8"))
    event["headers"]["origin"] = origin
    event["body"] = json.dumps({"event_id": event_id, "path": "/", "tag": "A", "user_id": "u-1"})
    return api.invoke(event).status, event_id


def _archived(place: Mapping[str, str]) -> set[str]:
    """The ids of the events in the archive; none as long as there is no table."""
    sql = "SELECT decode(value) AS value FROM raw WHERE topic = 'clickstream-events'"
    done = subprocess.run(
        [sys.executable, "-m", "clickstream_archive.main", "sql", sql, "--json"],
        env={**place, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(f"[{','.join(done.stdout.splitlines())}]")
    return {json.loads(row["value"])["event_id"] for row in rows}
