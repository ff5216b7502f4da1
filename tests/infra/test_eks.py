"""modules/eks."""

from typing import Any

import pytest

from kit.aws import Aws
from kit.terraform import Living, Planned, Refused

NETWORK = {
    "vpc_id": "vpc-0a1b2c3d",
    "subnets": {"eu-central-1a": "subnet-0a", "eu-central-1b": "subnet-0b", "eu-central-1c": "subnet-0c"},
}



@pytest.fixture
def network(aws: Aws) -> dict[str, Any]:
    """A network with three subnets in AWS's stand-in."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        zone: ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(("eu-central-1a", "eu-central-1b", "eu-central-1c"))
    }
    return {"vpc_id": vpc, "subnets": subnets}


def test_x(living: Living, aws: Aws, network) -> None:
    with living("modules/eks", **network) as made:
        print(made.outputs)
