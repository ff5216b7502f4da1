"""A stand-in for AWS: moto's server, with what it lacks of EKS in front (`eks_api`), and an inventory of what is there.

PYTHONPATH=tests .venv/bin/python -m kit.aws 4566      a server for trying out, until Ctrl+C
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import requests
from moto.ec2.models.instances import Instance
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from kit.eks_api import EksApi

REGION = "eu-central-1"


class Aws:
    """The address of a running server, and what is in it."""

    def __init__(self, address: str, eks: EksApi) -> None:
        self.address = address
        self._eks = eks

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which Terraform's provider and boto3 find it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    def reset(self) -> None:
        """Remove everything but what an account begins with."""
        requests.post(f"{self.address}/moto-api/reset", timeout=30).raise_for_status()

    def pod_roles(self, cluster: str, namespace: str) -> dict[str, str]:
        """The role of each service account of a namespace, by pod identity."""
        eks = self.client("eks")
        listed = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
        found = [
            eks.describe_pod_identity_association(clusterName=cluster, associationId=each["associationId"])
            for each in listed
            if each["namespace"] == namespace
        ]
        return {each["association"]["serviceAccount"]: each["association"]["roleArn"] for each in found}

    def inventory(self) -> set[str]:
        """What is there, of the kinds that infra/ makes; keys that wait for their deletion are gone."""
        found = {f"{service} {name}" for service, names in _LISTED for name in names(self.client(service))}
        return found | set(self._eks.items())


def _description(rule: SecurityGroupRule) -> str | None:
    return rule.ip_range.get("Description") or rule.source_group.get("Description")


# Moto forgets the description of a rule whose source is a security group.
SecurityGroupRule.description = property(_description)  # type: ignore[assignment]

_terminate = Instance.terminate


def _terminate_and_detach(instance: Instance) -> Any:
    state = _terminate(instance)
    first = dict(instance.nics)
    for interface in first.values():
        instance.detach_eni(interface)
    instance.nics = first  # an ended instance is still described with its address
    return state


# Moto leaves a network interface that outlives its instance attached to it, and then refuses to detach it.
Instance.terminate = _terminate_and_detach  # type: ignore[assignment,method-assign]


_make_template = LaunchTemplateBackend.create_launch_template


def _make_template_without_its_own_tags(
    backend: LaunchTemplateBackend, name: str, description: str, data: dict[str, Any], tags: dict[str, Any]
) -> LaunchTemplate:
    kept = [each for each in data.pop("TagSpecifications", []) if each["ResourceType"] != "launch-template"]
    return _make_template(backend, name, description, {**data, "TagSpecifications": kept} if kept else data, tags)


# Moto lists a launch template's own tags among those of the machines that are made from it.
LaunchTemplateBackend.create_launch_template = _make_template_without_its_own_tags  # type: ignore[assignment,method-assign]


@contextmanager
def aws_stand_in(port: int = 0) -> Iterator[Aws]:
    """A server on this machine, on a free port unless one is given."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # roles get AWS's own policies
    eks = EksApi(_Dispatcher(create_backend_app))
    server = make_server("127.0.0.1", port, eks, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Aws(f"http://127.0.0.1:{server.server_port}", eks)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Dispatcher(DomainDispatcherApplication):
    """Moto's, which finds the service that a request is for; HTTP APIs without the packages that REST APIs need."""

    def infer_service_region_host(self, environ: dict[str, Any], path: str) -> str | None:
        """The host that a request would go to at AWS, or the name of moto's module."""
        if "/apigateway/aws4_request" in environ.get("HTTP_AUTHORIZATION", "") and path.startswith("/v2/"):
            return "apigatewayv2"
        return super().infer_service_region_host(environ, path)


class _Quiet(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Not a line for each request."""


def _pages(operation: str, *path: str, **arguments: Any) -> Callable[[Any], Iterable[str]]:
    """A function that lists names: the answer's member path[0], and in each of its items path[1] if there is one."""

    def names(client: Any) -> Iterator[str]:
        for item in getattr(client, operation)(**arguments)[path[0]]:
            if not _is_gone(item):
                yield f"{path[0]} {item[path[1]] if len(path) > 1 else item}"

    return names


def _is_gone(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    state = item.get("State")
    name = state.get("Name") if isinstance(state, dict) else state
    return name in ("deleted", "terminated")


def _instances(client: Any) -> Iterator[str]:
    for reservation in client.describe_instances()["Reservations"]:
        yield from (f"instance {each['InstanceId']}" for each in reservation["Instances"] if not _is_gone(each))


def _interfaces(client: Any) -> Iterator[str]:
    """Without those of NAT gateways, which go with them; moto leaves them behind."""
    gateways = client.describe_nat_gateways()["NatGateways"]
    of_gateways = {address["NetworkInterfaceId"] for each in gateways for address in each["NatGatewayAddresses"]}
    for each in client.describe_network_interfaces()["NetworkInterfaces"]:
        if each["NetworkInterfaceId"] not in of_gateways:
            yield f"interface {each['NetworkInterfaceId']}"


def _keys(client: Any) -> Iterator[str]:
    amazons = {each.get("TargetKeyId") for each in client.list_aliases()["Aliases"] if "/aws/" in each["AliasName"]}
    for each in client.list_keys()["Keys"]:
        if each["KeyId"] in amazons:
            continue  # as AWS does, moto makes one when the first disk is encrypted
        known = client.describe_key(KeyId=each["KeyId"])["KeyMetadata"]
        if known["KeyState"] != "PendingDeletion" and known["KeyManager"] == "CUSTOMER":
            yield f"key {each['KeyId']}"


def _parameters(client: Any) -> Iterator[str]:
    """Without those that Amazon publishes."""
    names = (each["Name"] for each in client.describe_parameters()["Parameters"])
    yield from (f"parameter {name}" for name in names if not name.startswith("/aws/"))


def _nodegroups(client: Any) -> Iterator[str]:
    for cluster in client.list_clusters()["clusters"]:
        yield from (f"nodegroup {each}" for each in client.list_nodegroups(clusterName=cluster)["nodegroups"])


_LISTED: list[tuple[str, Callable[[Any], Iterable[str]]]] = [
    ("apigatewayv2", _pages("get_apis", "Items", "Name")),
    ("cloudwatch", _pages("describe_alarms", "MetricAlarms", "AlarmName")),
    ("ec2", _instances),
    ("ec2", _pages("describe_addresses", "Addresses", "AllocationId")),
    ("ec2", _pages("describe_flow_logs", "FlowLogs", "FlowLogId")),
    ("ec2", _pages("describe_internet_gateways", "InternetGateways", "InternetGatewayId")),
    ("ec2", _pages("describe_launch_templates", "LaunchTemplates", "LaunchTemplateName")),
    ("ec2", _pages("describe_nat_gateways", "NatGateways", "NatGatewayId")),
    ("ec2", _interfaces),
    ("ec2", _pages("describe_route_tables", "RouteTables", "RouteTableId")),
    ("ec2", _pages("describe_security_groups", "SecurityGroups", "GroupId")),
    ("ec2", _pages("describe_subnets", "Subnets", "SubnetId")),
    ("ec2", _pages("describe_volumes", "Volumes", "VolumeId")),
    ("ec2", _pages("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId")),
    ("ec2", _pages("describe_vpcs", "Vpcs", "VpcId")),
    ("ecr", _pages("describe_repositories", "repositories", "repositoryName")),
    ("eks", _pages("list_clusters", "clusters")),
    ("eks", _nodegroups),
    ("glue", _pages("get_databases", "DatabaseList", "Name")),
    ("iam", _pages("list_instance_profiles", "InstanceProfiles", "InstanceProfileName")),
    ("iam", _pages("list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn")),
    ("iam", _pages("list_policies", "Policies", "PolicyName", Scope="Local")),
    ("iam", _pages("list_roles", "Roles", "RoleName")),
    ("kms", _keys),
    ("kms", _pages("list_aliases", "Aliases", "AliasName")),
    ("lambda", _pages("list_functions", "Functions", "FunctionName")),
    ("logs", _pages("describe_log_groups", "logGroups", "logGroupName")),
    ("s3", _pages("list_buckets", "Buckets", "Name")),
    ("secretsmanager", _pages("list_secrets", "SecretList", "Name")),
    ("sns", _pages("list_topics", "Topics", "TopicArn")),
    ("ssm", _parameters),
]


def main() -> None:
    """Serve until Ctrl+C."""
    import sys

    with aws_stand_in(int(sys.argv[1])) as aws:
        print("\n".join(f"export {name}={value}" for name, value in aws.environ.items()), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
