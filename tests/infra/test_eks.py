"""modules/eks: a cluster that strimzi/overlays/eks and the charts find what they need on."""

import json
from typing import Any

import pytest

from kit.aws import Aws
from kit.plans import Plan
from kit.terraform import Living, Planned, Refused

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")
NETWORK = {"vpc_id": "vpc-0a1b2c3d", "subnets": {zone: f"subnet-0{zone[-1]}" for zone in ZONES}}
ARCHIVE = {"bucket": "shop-archive", "region": "eu-west-1", "role_arn": "arn:aws:iam::123456789012:role/shop-connect"}
CHOSEN = {
    "architecture": "arm64",
    "kafka_nodes": {"per_zone": 2, "instance_types": ["r7g.large"]},
    "apps_nodes": {"instance_types": ["m7g.large"]},
    "addon_versions": {"coredns": "v1.12.4-eksbuild.1"},
    "load_balancer_controller": False,
    **NETWORK,
}
ADMIN = "arn:aws:iam::123456789012:role/admins"


@pytest.fixture
def network(aws: Aws) -> dict[str, Any]:
    """A network with three subnets in AWS's stand-in."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        zone: ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(ZONES)
    }
    return {"vpc_id": vpc, "subnets": subnets}


def addon(plan: Plan, name: str) -> dict[str, Any]:
    (found,) = (each.values for each in plan.of("aws_eks_addon") if each.values["addon_name"] == name)
    return found


def service_accounts(plan: Plan) -> set[str]:
    return {
        f"{each.values['namespace']}/{each.values['service_account']}"
        for each in plan.of("aws_eks_pod_identity_association")
    }


@pytest.mark.long
def test_a_cluster_with_all_options_is_as_described_and_leaves_nothing(
    living: Living, aws: Aws, network: dict[str, Any]
) -> None:
    chosen = {
        "name": "shop",
        "api_public_cidrs": ["203.0.113.7/32"],
        "api_private_cidrs": ["10.8.0.0/16"],
        "access": {
            "admins": {"principal_arn": ADMIN},
            "viewers": {
                "principal_arn": ADMIN.replace("admins", "viewers"),
                "policy": "AmazonEKSViewPolicy",
                "namespaces": ["kafka"],
            },
        },
        "archive": ARCHIVE,
        "image_registry": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop",
        "tags": {"team": "data"},
    }
    with living("modules/eks", **chosen, **network) as made:
        eks = aws.client("eks")
        cluster = eks.describe_cluster(name="shop")["cluster"]
        assert cluster["encryptionConfig"][0]["provider"]["keyArn"] == made.outputs["secrets_key_arn"]
        assert cluster["accessConfig"]["authenticationMode"] == "API"
        assert cluster["tags"] == {"team": "data"}
        entry = eks.list_associated_access_policies(clusterName="shop", principalArn=ADMIN)
        assert [each["accessScope"]["type"] for each in entry["associatedAccessPolicies"]] == ["cluster"]
        names = set(eks.list_nodegroups(clusterName="shop")["nodegroups"])
        assert names == {"apps", *(f"kafka-{zone}" for zone in ZONES)}
        group = eks.describe_nodegroup(clusterName="shop", nodegroupName="kafka-eu-central-1b")["nodegroup"]
        assert group["subnets"] == [network["subnets"]["eu-central-1b"]]
        accounts = ("clickstream-connect-connect", "clickstream-archive")
        assert aws.pod_roles("shop", "kafka") == dict.fromkeys(accounts, ARCHIVE["role_arn"])
        ingress = made.state.one("aws_vpc_security_group_ingress_rule")
        assert (ingress["cidr_ipv4"], ingress["from_port"]) == ("10.8.0.0/16", 443)

        assert made.outputs["kubeconfig_command"] == "aws eks update-kubeconfig --region eu-central-1 --name shop"
        assert made.outputs["setup_command"] == (
            "./setup.sh --install-operator --with-kafka eks"
            " --image-registry 123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop"
            " --archive --archive-bucket shop-archive --archive-region eu-west-1"
        )
        assert 'encrypted: "true"' in made.outputs["storage_class"]
        assert f"--set vpcId={network['vpc_id']} " in made.outputs["load_balancer_controller_command"]


def test_as_it_comes_the_api_has_no_public_address_and_everything_is_encrypted(planned: Planned) -> None:
    plan = planned("modules/eks", **NETWORK)

    cluster = plan.one("aws_eks_cluster")
    (network,) = cluster["vpc_config"]
    assert (network["endpoint_private_access"], network["endpoint_public_access"]) == (True, False)
    assert cluster["encryption_config"][0]["resources"] == ["secrets"]
    assert set(cluster["enabled_cluster_log_types"]) >= {"api", "audit", "authenticator"}
    assert plan.of("aws_vpc_security_group_ingress_rule") == []
    for template in plan.of("aws_launch_template"):
        (options,) = template.values["metadata_options"]
        assert (options["http_tokens"], options["http_put_response_hop_limit"]) == ("required", 1)
    assert service_accounts(plan) == {"kube-system/ebs-csi-controller-sa", "kube-system/aws-load-balancer-controller"}


def test_each_zone_has_nodes_that_only_kafka_runs_on(planned: Planned) -> None:
    plan = planned("modules/eks", **CHOSEN)

    groups = {each.values["node_group_name"]: each.values for each in plan.of("aws_eks_node_group")}
    apps = groups.pop("apps")
    assert (apps["taint"], len(apps["subnet_ids"])) == ([], 3)
    assert sorted(groups) == [f"kafka-{zone}" for zone in ZONES]
    for zone in ZONES:
        group = groups[f"kafka-{zone}"]
        # What strimzi/overlays/eks tolerates and prefers (tests/deploy/test_strimzi.py).
        assert group["taint"] == [{"key": "dedicated", "value": "kafka", "effect": "NO_SCHEDULE"}]
        assert group["labels"] == {"dedicated": "kafka"}
        assert group["subnet_ids"] == [NETWORK["subnets"][zone]]  # type: ignore[index]
        assert group["scaling_config"][0]["desired_size"] == 2
        assert group["instance_types"] == ["r7g.large"]


def test_the_add_ons_are_there_and_network_policies_are_enforced(planned: Planned) -> None:
    plan = planned("modules/eks", **CHOSEN)

    names = {each.values["addon_name"] for each in plan.of("aws_eks_addon")}
    assert names == {"vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver"}
    assert json.loads(addon(plan, "vpc-cni")["configuration_values"]) == {"enableNetworkPolicy": "true"}
    assert addon(plan, "coredns")["addon_version"] == "v1.12.4-eksbuild.1"


def test_the_load_balancer_controller_changes_what_carries_this_clusters_tag(planned: Planned) -> None:
    plan = planned("modules/eks", name="shop", **NETWORK)
    (policy,) = (each.values["policy"] for each in plan.of("aws_iam_role_policy"))

    for statement in json.loads(policy)["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        assert not any("*" in each for each in actions)
        reads = all(each.split(":")[1].startswith(("Describe", "Get", "List")) for each in actions)
        assert reads or statement["Resource"] != "*", statement["Sid"]
        if any(each.split(":")[1].startswith("Delete") for each in actions) and "Listeners" not in statement["Sid"]:
            assert statement["Condition"]["StringEquals"]["aws:ResourceTag/elbv2.k8s.aws/cluster"] == "shop"

    without = planned("modules/eks", **CHOSEN)
    assert service_accounts(without) == {"kube-system/ebs-csi-controller-sa"}
    assert without.outputs["load_balancer_controller_command"] is None


def test_arm64_takes_the_image_for_arm64(planned: Planned) -> None:
    plan = planned("modules/eks", **CHOSEN)

    assert {each.values["ami_type"] for each in plan.of("aws_eks_node_group")} == {"AL2023_ARM_64_STANDARD"}


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused) -> None:
    text = refused(
        "modules/eks",
        name="Shop",
        kubernetes_version="1.34.2",
        vpc_id="shop",
        subnets={"eu-central-1a": "subnet-0a"},
        api_public_cidrs=["0.0.0.0/0"],
        api_private_cidrs=["home"],
        access={"me": {"principal_arn": "arn:aws:sts::123456789012:assumed-role/me/session", "policy": "admin"}},
        kafka_nodes={"per_zone": 0, "disk_gib": 5},
        apps_nodes={"count": 1, "capacity_type": "CHEAP"},
        architecture="riscv",
        addon_versions={"istio": "1"},
        log_retention_days=31,
        log_types=[],
    )

    for expected in (
        "name: 2 to 24 lower case letters",
        "kubernetes_version: 1.30 or newer, without a patch version",
        "vpc_id: the id of a VPC",
        "subnets: three zones",
        "api_public_cidrs: IPv4 networks such as 203.0.113.7/32, and not the whole internet.",
        "api_private_cidrs: IPv4 networks",
        "access: principal_arn is the ARN of an IAM role or user, not of a session.",
        "access: policy is one of EKS' access policies",
        "kafka_nodes: per_zone is 1 to 10.",
        "kafka_nodes: at least one instance type, and disk_gib 20 or more.",
        "apps_nodes: count is 2 to 100.",
        "apps_nodes: capacity_type is ON_DEMAND or SPOT.",
        "architecture: amd64 or arm64.",
        "addon_versions: vpc-cni,",
        "log_retention_days: one of CloudWatch's",
        "log_types: at least one of",
    ):
        assert expected in text
