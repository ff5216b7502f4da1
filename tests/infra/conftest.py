"""Terraform, AWS's stand-in, and configurations of infra/ that are planned, applied and destroyed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kit.aws import Aws, aws_stand_in
from kit.plans import Plan, complaints, state_of
from kit.terraform import (
    Applied,
    Living,
    MakeStack,
    Planned,
    Refused,
    Stack,
    Terraform,
    TerraformMissing,
    find_terraform,
)


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform or OpenTofu, where it is; never in CI, whose minutes are spent."""
    if os.environ.get("CI") == "true":
        pytest.skip("Terraform's tests do not run in CI")
    try:
        return find_terraform(tmp_path_factory.mktemp("terraform"))
    except TerraformMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def running_aws() -> Iterator[Aws]:
    """The stand-in for AWS of this run."""
    with aws_stand_in() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: Aws) -> Aws:
    """AWS, as an account begins."""
    running_aws.reset()
    return running_aws


@pytest.fixture(scope="session")
def make_stack(terraform: Terraform, running_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> MakeStack:
    """The configuration of a folder of infra/; one for each folder, so that init is done once."""
    made: dict[str, Stack] = {}

    def make(folder: str) -> Stack:
        if folder not in made:
            made[folder] = Stack(terraform, tmp_path_factory.mktemp("stack"), folder, running_aws.environ)
        return made[folder]

    return make


@pytest.fixture(scope="session")
def plans() -> dict[str, Plan]:
    """The plans that tests of this run have made in an empty account."""
    return {}


@pytest.fixture
def planned(make_stack: MakeStack, aws: Aws, plans: dict[str, Plan]) -> Planned:
    """planned("modules/network", name="shop"): the plan in an empty account, which keeps the rules.

    `_open_to_the_world` names the resources (ends of addresses) that may have 0.0.0.0/0.
    """

    def plan(folder: str, *, _open_to_the_world: tuple[str, ...] = (), **variables: Any) -> Plan:
        wanted = json.dumps([folder, variables], sort_keys=True)
        if wanted not in plans:
            stack = make_stack(folder)
            stack.set(variables)
            plans[wanted] = stack.plan()
        assert complaints(plans[wanted], open_to_the_world=frozenset(_open_to_the_world)) == []
        return plans[wanted]

    return plan


@pytest.fixture
def refused(make_stack: MakeStack, aws: Aws) -> Refused:
    """refused("modules/network", name=""): why the plan is refused, on one line."""

    def refusal(folder: str, **variables: Any) -> str:
        stack = make_stack(folder)
        stack.set(variables)
        return stack.refusal()

    return refusal


@pytest.fixture
def living(make_stack: MakeStack, aws: Aws) -> Living:
    """with living("modules/network", name="shop") as made: … — applied, and afterwards destroyed.

    It is planned and applied; a second plan is empty; plan and state keep the rules. After the block it is destroyed,
    and nothing is left in AWS that was not there before.
    """

    @contextmanager
    def live(folder: str, *, _open_to_the_world: tuple[str, ...] = (), **variables: Any) -> Iterator[Applied]:
        before = aws.inventory()
        stack = make_stack(folder)
        stack.set(variables)
        plan = stack.plan()
        assert complaints(plan, open_to_the_world=frozenset(_open_to_the_world)) == []
        stack.apply()
        if stack.plan().changes:
            pytest.fail(f"a second plan is not empty:\n{stack.run('show', '-no-color', 'test.plan')}")
        state = state_of(json.loads(stack.run("show", "-json")))
        assert complaints(state, open_to_the_world=frozenset(_open_to_the_world)) == []
        yield Applied(stack, plan, state, stack.outputs())
        stack.destroy()
        left = aws.inventory() - before
        assert left == set(), f"destroy left {', '.join(sorted(left))}"

    return live
