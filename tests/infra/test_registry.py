"""modules/registry: a repository for each image, whose names `make images` uses as they are."""

import json
import subprocess
from pathlib import Path

import pytest

from clickstream_deploy.images import FURTHER, Build, Request
from kit.aws import Aws
from kit.terraform import Living, Planned, Refused

_REPOSITORY = Path(__file__).parents[2]
_LAMBDA = "collector-lambda"


@pytest.mark.long
def test_every_image_has_its_repository_under_the_name_that_make_images_gives_it(living: Living, aws: Aws) -> None:
    listed = subprocess.run(
        [_REPOSITORY / "deploy/images.sh", "--list"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()

    with living("modules/registry", name="shop", tags={"team": "data"}) as made:
        images = Build(Request(registry=made.outputs["registry"], tag="1"), "docker", "")
        expected = {app: images.image(app).removesuffix(":1") for app in (*listed, *FURTHER, _LAMBDA)}
        assert made.outputs["repository_urls"] == expected
        ecr = aws.client("ecr")
        repositories = ecr.describe_repositories()["repositories"]
        assert {each["repositoryUri"] for each in repositories} == set(expected.values())
        for each in repositories:
            assert each["imageScanningConfiguration"]["scanOnPush"]
            assert each["imageTagMutability"] == "IMMUTABLE"
            assert {"Key": "team", "Value": "data"} in ecr.list_tags_for_resource(resourceArn=each["repositoryArn"])[
                "tags"
            ]
            name = each["repositoryName"]
            rules = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
            assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged", "tagged"]
        policy = json.loads(ecr.get_repository_policy(repositoryName=f"shop/clickstream-{_LAMBDA}")["policyText"])
        assert policy["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_a_key_of_yours_encrypts_the_images(planned: Planned) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234"
    plan = planned("modules/registry", apps=["streams"], kms_key_arn=key)

    assert plan.one("aws_ecr_repository")["encryption_configuration"] == [{"encryption_type": "KMS", "kms_key": key}]
    assert plan.of("aws_ecr_repository_policy") == []


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused) -> None:
    wrong = {"name": "Shop", "apps": [], "kept_images": 1, "untagged_days": 0.5, "kms_key_arn": "alias/mine"}

    text = refused("modules/registry", **wrong)

    assert "name: expected 2 to 24 lower-case letters" in text
    assert "apps: expected at least one name" in text
    assert "kept_images: expected a whole number from 2 to 1000" in text
    assert "untagged_days: expected a whole number from 1" in text
    assert "kms_key_arn: expected the ARN of a KMS key, or null" in text
