"""modules/network: three zones, ways out, and S3 without the NAT gateway's price."""

import ipaddress
from typing import Any

import pytest

from kit.aws import Aws
from kit.terraform import Living, Planned, Refused


@pytest.mark.long
def test_each_of_three_zones_has_a_private_and_a_public_subnet_and_leaves_by_its_own_gateway(
    living: Living, aws: Aws
) -> None:
    with living("modules/network", name="shop", nat_gateways=3, tags={"team": "data"}) as made:
        ec2 = aws.client("ec2")
        subnets = {each["SubnetId"]: each for each in ec2.describe_subnets()["Subnets"]}
        for kind in ("private", "public"):
            ids = made.outputs[f"{kind}_subnet_ids"]
            assert [subnets[each]["AvailabilityZone"] for each in ids] == made.outputs["availability_zones"]
            assert all({"Key": "team", "Value": "data"} in subnets[each]["Tags"] for each in ids)
        gateways = set()
        for subnet in made.outputs["private_subnet_ids"]:
            routes = _routes(ec2, subnet)
            gateways.add(routes["0.0.0.0/0"])
            assert any(each.startswith("vpce-") for each in routes.values()), "no way to S3"
        assert len(gateways) == len(made.outputs["nat_addresses"]) == 3
        assert _routes(ec2, made.outputs["public_subnet_ids"][0])["0.0.0.0/0"].startswith("igw-")


def test_as_it_comes_one_gateway_serves_all_zones(planned: Planned) -> None:
    plan = planned("modules/network")

    assert len(plan.of("aws_nat_gateway")) == len(plan.of("aws_eip")) == 1
    assert len([each for each in plan.of("aws_route") if ".private[" in each.address]) == 3


@pytest.mark.parametrize("cidr", ["10.42.0.0/16", "172.20.64.0/18"])
def test_no_two_subnets_share_an_address(planned: Planned, cidr: str) -> None:
    plan = planned("modules/network", cidr=cidr)

    subnets = [ipaddress.IPv4Network(each.values["cidr_block"]) for each in plan.of("aws_subnet")]
    assert len(subnets) == 6
    assert all(each.subnet_of(ipaddress.IPv4Network(cidr)) for each in subnets)
    assert not any(one.overlaps(other) for one in subnets for other in subnets if one is not other)


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused) -> None:
    wrong = {"name": "Shop", "cidr": "10.0.0.0/24", "availability_zones": ["eu-central-1a"], "nat_gateways": 2}

    text = refused("modules/network", **wrong)

    assert "name: 2 to 24 lower case letters, digits and hyphens, beginning with a letter." in text
    assert "cidr: an IPv4 network of /16 to /18, such as 10.42.0.0/16." in text
    assert "availability_zones: three different zones" in text
    assert "nat_gateways: 1 or 3." in text


def _routes(ec2: Any, subnet: str) -> dict[str, str]:
    """Where a subnet's traffic goes: the target by destination."""
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    found = {}
    for route in table["Routes"]:
        target = next((route[name] for name in ("NatGatewayId", "GatewayId", "VpcEndpointId") if route.get(name)), "")
        found[route.get("DestinationCidrBlock") or route.get("DestinationPrefixListId") or target] = target
    return found
