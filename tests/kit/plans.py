"""Terraform's plans as JSON, and what must hold for each of them, whatever it makes.

A rule takes a plan and returns complaints, each with the address of a resource. What a resource has is known at the
time of the plan except for what AWS decides; a policy that contains such values is known after apply, so the rules are
also called with a plan's successor, the state (`state_of`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_WORLD = {"0.0.0.0/0", "::/0"}
_POLICIES = {
    "aws_iam_policy": ("policy",),
    "aws_iam_role": ("assume_role_policy",),
    "aws_iam_role_policy": ("policy",),
    "aws_s3_bucket_policy": ("policy",),
    "aws_ecr_repository_policy": ("policy",),
    "aws_kms_key": ("policy",),
    "aws_secretsmanager_secret": ("policy",),
    "aws_sns_topic": ("policy",),
    "aws_vpc_endpoint": ("policy",),
}
"""Which attributes of which resources are policies."""


@dataclass(frozen=True)
class Resource:
    """A resource as it is to be, or is: what is not known yet is missing from `values`."""

    address: str
    type: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a configuration makes, and the outputs that are known. `changes`: what it creates, changes or removes."""

    resources: tuple[Resource, ...]
    outputs: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, type_: str) -> list[Resource]:
        """The resources of a type."""
        return [each for each in self.resources if each.type == type_]

    def one(self, type_: str) -> dict[str, Any]:
        """The values of the only resource of a type."""
        (found,) = self.of(type_)
        return found.values


def plan_of(shown: dict[str, Any]) -> Plan:
    """From `terraform show -json PLAN`."""
    changes = {
        each["address"]: tuple(each["change"]["actions"])
        for each in shown.get("resource_changes", [])
        if each["mode"] == "managed" and each["change"]["actions"] != ["no-op"]
    }
    values = shown["planned_values"]
    outputs = {name: each.get("value") for name, each in values.get("outputs", {}).items()}
    return Plan(tuple(_resources(values.get("root_module", {}))), outputs, changes)


def state_of(shown: dict[str, Any]) -> Plan:
    """From `terraform show -json`: what is there."""
    return Plan(tuple(_resources(shown.get("values", {}).get("root_module", {}))))


def _resources(module: dict[str, Any]) -> Iterator[Resource]:
    for each in module.get("resources", []):
        if each["mode"] == "managed":
            yield Resource(each["address"], each["type"], each.get("values", {}))
    for child in module.get("child_modules", []):
        yield from _resources(child)


def complaints(plan: Plan, *, open_to_the_world: frozenset[str] = frozenset()) -> list[str]:
    """What breaks a rule. `open_to_the_world` names resources (ends of addresses) that may have 0.0.0.0/0."""
    return [
        *_open(plan, open_to_the_world),
        *_policies(plan),
        *_buckets(plan),
        *_disks(plan),
        *_others(plan),
    ]


def _open(plan: Plan, allowed: frozenset[str]) -> Iterator[str]:
    """Security groups and API endpoints that take connections from everywhere, or may make them to everywhere."""
    for each in plan.resources:
        if each.address.endswith(tuple(allowed)):
            continue
        blocks = [each.values]
        if each.type == "aws_security_group":
            blocks = [*(each.values.get("ingress") or []), *(each.values.get("egress") or [])]
        elif each.type == "aws_eks_cluster":
            blocks = each.values["vpc_config"]
        elif each.type not in {
            "aws_security_group_rule",
            "aws_vpc_security_group_ingress_rule",
            "aws_vpc_security_group_egress_rule",
        }:
            continue
        for block in blocks:
            named: set[str] = set()
            for name in ("cidr_blocks", "ipv6_cidr_blocks", "public_access_cidrs"):
                named |= set(block.get(name) or [])
            named |= {block.get("cidr_ipv4") or "", block.get("cidr_ipv6") or ""}
            if named & _WORLD and block.get("endpoint_public_access", True):
                yield f"{each.address}: open to {', '.join(sorted(named & _WORLD))}"


def _policies(plan: Plan) -> Iterator[str]:
    for each in plan.resources:
        for attribute in _POLICIES.get(each.type, ()):
            for statement in _statements(each.values.get(attribute)):
                if each.type == "aws_kms_key":
                    statement = {**statement, "Resource": "the key"}  # which is what * means in its policy
                if each.type == "aws_vpc_endpoint":
                    statement = {**statement, "Principal": None}  # only what is in the network can use it
                if wide := _too_wide(statement):
                    yield f"{each.address}: {attribute} allows {wide}"


def _statements(policy: str | None) -> list[dict[str, Any]]:
    if not policy:
        return []
    found = json.loads(policy)["Statement"]
    return [found] if isinstance(found, dict) else found


def _too_wide(statement: dict[str, Any]) -> str:
    """All actions of a service, or everything, on everything; or everyone on anything without a condition."""
    if statement["Effect"] != "Allow":
        return ""
    actions, resources = _listed(statement.get("Action")), _listed(statement.get("Resource"))
    if "NotAction" in statement or "NotResource" in statement:
        return "all but what it names"
    wildcards = [each for each in actions if each == "*" or each.endswith(":*")]
    if wildcards and ("*" in resources or "*" in wildcards):
        return f"{', '.join(wildcards)} on {', '.join(resources)}"
    everyone = statement.get("Principal") == "*" or "*" in _listed((statement.get("Principal") or {}).get("AWS"))
    if everyone and not statement.get("Condition"):
        return f"{', '.join(actions)} to everyone"
    return ""


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _buckets(plan: Plan) -> Iterator[str]:
    """Each bucket is encrypted, closed to the public and takes TLS only; their ids are known after apply at times."""
    buckets = plan.of("aws_s3_bucket")
    for needed in (
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_policy",
    ):
        if len(plan.of(needed)) < len(buckets):
            yield f"{', '.join(each.address for each in buckets)}: not every bucket has its {needed}"
    for each in plan.of("aws_s3_bucket_public_access_block"):
        for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"):
            if each.values.get(name) is not True:
                yield f"{each.address}: {name} is not true"


def _disks(plan: Plan) -> Iterator[str]:
    """Disks of machines are encrypted, and the metadata service answers with tokens only."""
    for each in plan.resources:
        blocks: list[dict[str, Any]] = []
        if each.type == "aws_instance":
            blocks = [*(each.values.get("root_block_device") or [{}]), *(each.values.get("ebs_block_device") or [])]
        elif each.type == "aws_launch_template":
            blocks = [
                ebs for disk in each.values.get("block_device_mappings") or [{}] for ebs in disk.get("ebs") or [{}]
            ]
        elif each.type == "aws_ebs_volume":
            blocks = [each.values]
        if any(str(block.get("encrypted")).lower() != "true" for block in blocks):
            yield f"{each.address}: a disk is not encrypted"
        if each.type in {"aws_instance", "aws_launch_template"}:
            options = (each.values.get("metadata_options") or [{}])[0]
            if options.get("http_tokens") != "required":
                yield f"{each.address}: the metadata service answers without a token"


def _others(plan: Plan) -> Iterator[str]:
    for each in plan.of("aws_eks_cluster"):
        if not each.values.get("encryption_config"):
            yield f"{each.address}: secrets are not encrypted with a key of KMS"
        if not each.values.get("enabled_cluster_log_types"):
            yield f"{each.address}: no control plane logs"
    for each in plan.of("aws_ecr_repository"):
        if each.values["image_tag_mutability"] != "IMMUTABLE":
            yield f"{each.address}: tags can be changed"
        if not (each.values["image_scanning_configuration"] or [{}])[0].get("scan_on_push"):
            yield f"{each.address}: images are not scanned on push"
    for each in plan.of("aws_kms_key"):
        if not each.values.get("enable_key_rotation"):
            yield f"{each.address}: the key is not rotated"
    for each in plan.of("aws_cloudwatch_log_group"):
        if not each.values.get("retention_in_days"):
            yield f"{each.address}: logs are never removed"
    for each in plan.resources:
        if each.type.startswith("aws_iam_user") or each.type == "aws_iam_access_key":
            yield f"{each.address}: a user with a permanent key"
