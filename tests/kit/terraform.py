"""Terraform, or OpenTofu, on a copy of infra/: plan, apply and destroy, with AWS at an address of the test's.

The configurations run as they are: where AWS is, with which key and in which region, comes from the environment that
the provider reads.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.plans import Plan, plan_of

_INFRA = Path(__file__).parents[2] / "infra"
_DEADLINE_S = 900.0
_MIRRORED = "registry.terraform.io/hashicorp/aws"
_PROVIDER_ONLY = (
    'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws", version = ">= 5.100" }\n  }\n}\n'
)


class TerraformMissing(Exception):
    """There is no Terraform, or no provider for it; the message says which."""


class TerraformFailed(AssertionError):
    """A command ended with an error; the message is what it printed."""


@dataclass(frozen=True)
class Terraform:
    """The program, and the file that names where providers come from."""

    executable: str
    cli_config: Path

    def run(self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit status and output of one command in a folder."""
        done = subprocess.run(
            [self.executable, *arguments],
            cwd=folder,
            env={**_environment(), "TF_CLI_CONFIG_FILE": str(self.cli_config), **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE_S,
        )
        return done.returncode, done.stdout


class Stack:
    """One configuration of infra/, in a copy of its own, with its state and its variables.

    `folder` is its path in infra/, such as "modules/network"; `environ` has AWS's address and key.
    """

    def __init__(self, terraform: Terraform, work: Path, folder: str, environ: Mapping[str, str]) -> None:
        shutil.copytree(_INFRA, work / "infra", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars"))
        # Modules read what the product declares there: topics and connector.
        (work / "strimzi").symlink_to(_INFRA.parent / "strimzi")
        self._terraform = terraform
        self._folder = work / "infra" / folder
        self._environ = environ
        self.run("init", "-input=false")

    def run(self, *arguments: str) -> str:
        """What a command printed; TerraformFailed if it ended with an error."""
        status, output = self._terraform.run(self._folder, *arguments, environ=self._environ)
        if status != 0:
            raise TerraformFailed(f"terraform {' '.join(arguments)}: status {status}\n{output}")
        return output

    def set(self, variables: Mapping[str, Any]) -> None:
        """Begin again, with these variables; what an earlier test left in the state is forgotten."""
        for state in self._folder.glob("*.tfstate*"):
            state.unlink()
        (self._folder / "test.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")

    def plan(self) -> Plan:
        """What apply would do now."""
        self.run("plan", "-input=false", "-out=test.plan")
        return plan_of(json.loads(self.run("show", "-json", "test.plan")))

    def refusal(self) -> str:
        """Why plan refuses the variables, on one line without Terraform's frames."""
        status, output = self._terraform.run(self._folder, "plan", "-input=false", "-no-color", environ=self._environ)
        assert status == 1, f"plan was not refused:\n{output}"
        return re.sub(r"\s+", " ", re.sub(r"[╷│╵]", " ", output))

    def apply(self) -> None:
        """Do what the last plan says."""
        self.run("apply", "-input=false", "test.plan")

    def outputs(self) -> dict[str, Any]:
        """The values of all outputs."""
        found = json.loads(self.run("output", "-json"))
        return {name: each["value"] for name, each in found.items()}

    def destroy(self) -> None:
        """Remove what was applied; the state must be empty afterwards."""
        self.run("apply", "-destroy", "-input=false", "-auto-approve")
        left = self.run("state", "list")
        assert left == "", f"destroy left in the state:\n{left}"


@dataclass(frozen=True)
class Applied:
    """What a configuration has made: its plan, the state after apply, and its outputs."""

    stack: Stack
    plan: Plan
    state: Plan
    outputs: dict[str, Any]


# What the fixtures of tests/infra are.
MakeStack = Callable[[str], Stack]
Planned = Callable[..., Plan]
Refused = Callable[..., str]
Living = Callable[..., AbstractContextManager[Applied]]


def find_terraform(folder: Path) -> Terraform:
    """The program of this machine, with a provider that it can install; raises TerraformMissing.

    $TERRAFORM names a program, `terraform` and `tofu` on the PATH are next. Providers come from the mirror that
    $TERRAFORM_PROVIDERS names or another on this machine, and from the registry where there is none. `folder` is for
    files that all tests share.
    """
    executable = os.environ.get("TERRAFORM") or shutil.which("terraform") or shutil.which("tofu")
    if not executable:
        raise TerraformMissing("there is neither terraform nor tofu on the PATH")
    terraform = Terraform(executable, _cli_config(folder))
    (folder / "provider").mkdir()
    (folder / "provider" / "main.tf").write_text(_PROVIDER_ONLY, encoding="utf-8")
    status, output = terraform.run(folder / "provider", "init", "-input=false", "-no-color")
    if status != 0:
        raise TerraformMissing(
            f"{executable} finds no provider hashicorp/aws, neither in a mirror nor online: {output}"
        )
    return terraform


def _cli_config(folder: Path) -> Path:
    mirror = _find_mirror()
    cache = folder / "plugins"
    cache.mkdir()
    lines = ["disable_checkpoint = true"]
    if mirror is None:
        lines.append(f'plugin_cache_dir = "{cache}"')
    else:
        lines.append(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}')
    config = folder / "terraform.rc"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


def _find_mirror() -> Path | None:
    """A folder with hashicorp/aws in it, laid out as `terraform providers mirror` does."""
    if named := os.environ.get("TERRAFORM_PROVIDERS"):
        return Path(named)
    candidates = [
        Path.home() / ".terraform.d/plugins",
        Path("/usr/local/share/terraform/plugins"),
        *Path("/opt").glob("*"),
    ]
    return next((each for each in candidates if (each / _MIRRORED).is_dir()), None)


def _environment() -> dict[str, str]:
    """This process' environment without what would change where AWS is, or what Terraform does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return {**kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "NO_PROXY": "127.0.0.1,localhost"}
