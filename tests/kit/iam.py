"""Rights that are enforced: keys whose users may do what policies allow, while everyone else is refused.

Moto checks the actions of a policy, and for most services not its resources. So a user has the policies' actions on all
resources; what the policies name as resources is for a test of the policies themselves.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from kit.aws import Aws

_POLICY = "allowed"


@contextmanager
def acting_as(aws: Aws, **policies: list[str]) -> Iterator[dict[str, dict[str, str]]]:
    """The environments of users by name, each with the actions of its policies; rights count until the block ends."""
    iam = aws.client("iam")
    users = {name: _user(aws, iam, name, documents) for name, documents in policies.items()}
    enforce(aws, True)
    try:
        yield users
    finally:
        enforce(aws, False)
        for name, environ in users.items():
            iam.delete_access_key(UserName=name, AccessKeyId=environ["AWS_ACCESS_KEY_ID"])
            iam.delete_user_policy(UserName=name, PolicyName=_POLICY)
            iam.delete_user(UserName=name)


@contextmanager
def plain_http(aws: Aws, bucket: str) -> Iterator[None]:
    """The bucket without its policy, which refuses what is not TLS: the stand-in speaks plain HTTP."""
    s3 = aws.client("s3")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def enforce(aws: Aws, wanted: bool) -> None:
    """Let rights count, or let every request pass."""
    requests.post(f"{aws.address}/moto-api/reset-auth", data=b"0" if wanted else b"inf", timeout=10).raise_for_status()


def _user(aws: Aws, iam: Any, name: str, documents: list[str]) -> dict[str, str]:
    statements = [
        {"Effect": "Allow", "Action": each["Action"], "Resource": "*"}
        for document in documents
        for each in json.loads(document)["Statement"]
        if each["Effect"] == "Allow"
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=_POLICY, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        **aws.environ,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
