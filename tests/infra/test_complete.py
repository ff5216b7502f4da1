"""examples/complete: one apply, and its outputs are what docs/deploy.md runs next."""

import shlex

from clickstream_deploy.options import Options, parse
from kit.aws import Aws
from kit.terraform import Living, Refused


def test_one_apply_gives_a_cluster_that_setup_runs_on_and_leaves_nothing(living: Living, aws: Aws) -> None:
    with living("examples/complete", api_public_cidrs=["203.0.113.7/32"], tags={"team": "data"}) as made:
        out = made.outputs
        region, name = shlex.split(out["kubeconfig_command"])[4:7:2]
        cluster = aws.client("eks").describe_cluster(name=name)["cluster"]
        assert region == cluster["arn"].split(":")[3]
        assert cluster["resourcesVpcConfig"]["publicAccessCidrs"] == ["203.0.113.7/32"]

        program, *arguments = shlex.split(out["setup_command"])
        options = parse(program.removeprefix("./"), arguments)
        assert isinstance(options, Options)
        assert (options.with_kafka, options.install_operator, options.parts) == ("eks", True, ("archive",))
        assert (options.image_registry, options.archive_bucket) == (out["registry"], out["bucket"])
        assert f"REGISTRY={out['registry']} " in out["push_command"]

        ec2 = aws.client("ec2")
        zones = set()
        for zone in ("a", "b", "c"):
            group = aws.client("eks").describe_nodegroup(clusterName=name, nodegroupName=f"kafka-eu-central-1{zone}")
            (subnet,) = ec2.describe_subnets(SubnetIds=group["nodegroup"]["subnets"])["Subnets"]
            assert not subnet["MapPublicIpOnLaunch"]
            zones.add(subnet["AvailabilityZone"])
        assert zones == {"eu-central-1a", "eu-central-1b", "eu-central-1c"}

        # What setup.sh --archive finds: the bucket, and a role for the two accounts that use it.
        aws.client("s3").head_bucket(Bucket=out["bucket"])
        roles = aws.pod_roles(name, "kafka")
        assert set(roles) == {"clickstream-connect-connect", "clickstream-archive"}
        (role,) = {each.rpartition("/")[2] for each in roles.values()}
        trusted = aws.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
        assert trusted["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert set(trusted["Action"]) == {"sts:AssumeRole", "sts:TagSession"}


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused) -> None:
    text = refused("examples/complete", region="Frankfurt", name="Shop", api_public_cidrs=["0.0.0.0/0"], nat_gateways=2)

    assert "region: one of AWS's, such as eu-central-1." in text
    assert "nat_gateways: 1 or 3." in text
