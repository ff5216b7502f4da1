"""modules/kafka-ec2: one instance, who may connect to it, and the script of its first start."""

import base64
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream_local.jars import CONNECT, KAFKA, read_lock
from kit.aws import REGION, Aws
from kit.instance import Instance, JarsMissing, locked_jars, maven_central
from kit.skipping import skip
from kit.terraform import Applied, Living, Planned, Refused

_MODULE = Path(__file__).parents[2] / "infra/modules/kafka-ec2"
_TO_ALL_BY_HTTPS = ('aws_vpc_security_group_egress_rule.https["0.0.0.0/0"]',)
_MAX_USER_DATA_BYTES = 16_384  # of EC2, before base64


@pytest.fixture
def given(aws: Aws) -> dict[str, Any]:
    """The required variables, with the account's own network."""
    ec2 = aws.client("ec2")
    (network,) = (each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"])
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-archive/*"}
    policy = aws.client("iam").create_policy(
        PolicyName="archive",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    return {
        "name": "shop",
        "vpc_id": network,
        "subnet_id": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "client_cidr_blocks": ["10.42.0.0/16"],
        "archive_bucket": "shop-archive",
        "connect_policy_arn": policy["Policy"]["Arn"],
        "secret_recovery_days": 0,
    }


@pytest.fixture
def made(living: Living, given: dict[str, Any]) -> Iterator[Applied]:
    with living("modules/kafka-ec2", **given, _open_to_the_world=_TO_ALL_BY_HTTPS) as made:
        yield made


def user_data(made: Applied) -> str:
    """The script that the instance got."""
    packed = base64.b64decode(made.state.one("aws_instance")["user_data_base64"])
    assert len(packed) < _MAX_USER_DATA_BYTES
    return gzip.decompress(packed).decode()


@pytest.mark.long
def test_the_instance_is_reached_by_named_clients_and_by_session_manager_only(
    made: Applied, aws: Aws, given: dict[str, Any], tmp_path: Path, java: Path
) -> None:
    (into,) = made.state.of("aws_vpc_security_group_ingress_rule")
    assert (into.values["cidr_ipv4"], into.values["from_port"], into.values["to_port"]) == ("10.42.0.0/16", 9093, 9093)
    (out,) = made.state.of("aws_vpc_security_group_egress_rule")
    assert (out.values["from_port"], out.values["to_port"]) == (443, 443)
    instance = made.state.one("aws_instance")
    assert not instance["key_name"]
    address = made.state.one("aws_network_interface")["private_ip"]
    assert made.outputs["bootstrap_servers"] == f"{address}:9093"
    statements = {
        each["Sid"]: each for each in json.loads(made.state.one("aws_iam_role_policy")["policy"])["Statement"]
    }
    assert statements.keys() == {"PutTheCollectorsSecret", "SessionManager"}
    assert statements["PutTheCollectorsSecret"]["Resource"] == made.outputs["secret_arn"]
    (attached,) = aws.client("iam").list_attached_role_policies(RoleName="shop-kafka")["AttachedPolicies"]
    assert attached["PolicyArn"] == given["connect_policy_arn"]
    _assert_that_the_script_is_sound(user_data(made), tmp_path)
    _assert_that_a_jar_which_was_changed_ends_the_start(user_data(made), aws, tmp_path, java)


def _assert_that_the_script_is_sound(script: str, tmp_path: Path) -> None:
    assert "password=" not in script.replace("password=$(cat", "")
    file = tmp_path / "rendered.sh"
    file.write_text(script, encoding="utf-8")
    subprocess.run(["bash", "-n", file], check=True)
    if shellcheck := shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent)):
        scripts = [file, _MODULE / "instance/setup.sh", *sorted((_MODULE / "instance/bin").iterdir())]
        done = subprocess.run([shellcheck, *scripts], stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stdout
    if analyze := shutil.which("systemd-analyze"):
        units = sorted((_MODULE / "instance/units").iterdir())
        for unit in units:
            text = unit.read_text(encoding="utf-8").replace("@ROOT@/opt/clickstream/bin/", "/bin/true ")
            (tmp_path / unit.name).write_text(text.replace("@ROOT@", ""), encoding="utf-8")
        done = subprocess.run(
            [analyze, "verify", "--man=no", *(tmp_path / each.name for each in units)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = [line for line in done.stdout.splitlines() if "clickstream-" in line and "not executable" not in line]
        assert said == []


def _assert_that_a_jar_which_was_changed_ends_the_start(script: str, aws: Aws, tmp_path: Path, java: Path) -> None:
    instance = Instance(tmp_path, script, aws.environ, java)
    try:
        with maven_central(damaged="kafka-clients-4.3.1.jar") as maven:
            status, output = instance.boot(maven)
    except JarsMissing as missing:
        skip(str(missing))
    assert status == 1
    assert f"jars from {maven} do not match jars.lock; none of them is run" in output
    assert instance.calls("systemctl") == []


def test_the_jars_are_those_of_the_products_own_locks() -> None:
    ours = {path: sha256 for sha256, path, _ in locked_jars()}
    theirs = {f"libs/{name}": sha256 for name, sha256 in read_lock(KAFKA.lock).items()}
    for name, sha256 in read_lock(CONNECT.lock).items():
        theirs[name if name.startswith("plugins/") else f"libs/{name.rpartition('/')[2]}"] = sha256

    assert {path: ours.get(path) for path in theirs} == theirs
    assert {path.rpartition("/")[2] for path in ours.keys() - theirs.keys()} == {"kafka-tools-4.3.1.jar"}


def test_a_graviton_image_for_graviton_and_an_x86_image_for_the_others(planned: Planned, given: dict[str, Any]) -> None:
    graviton, other = (
        planned("modules/kafka-ec2", **given, instance_type=each, _open_to_the_world=_TO_ALL_BY_HTTPS)
        for each in ("m7g.large", "t3.medium")
    )

    images = [plan.one("aws_instance")["ami"] for plan in (graviton, other)]
    assert all(each.startswith("ami-") for each in images)
    assert images[0] != images[1]


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused, given: dict[str, Any]) -> None:
    wrong = {
        "name": "",
        "instance_type": "t4g.small",
        "volume_gb": 1,
        "port": 9092,
        "client_cidr_blocks": ["0.0.0.0/0"],
        "https_cidr_blocks": [],
        "archive_bucket": "s3://shop-archive",
        "connect_policy_arn": "archive",
        "commit_interval_s": 1,
        "maven_url": "http://maven.example.com/",
        "kms_key_arn": f"{REGION}/key",
        "secret_recovery_days": 1,
    }

    text = refused("modules/kafka-ec2", **{**given, **wrong})

    for name in wrong:
        assert f"{name}: expected" in text, name
