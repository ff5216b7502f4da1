"""What holds for every module and example: how it is laid out, what its README says, and that it is valid."""

import re
from pathlib import Path

import pytest

from kit.aws import Aws
from kit.terraform import MakeStack, Terraform

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
FOLDERS = sorted(str(each.relative_to(INFRA)) for each in [*INFRA.glob("modules/*"), *INFRA.glob("examples/*")])


def source(folder: str) -> str:
    return "\n".join(each.read_text(encoding="utf-8") for each in sorted((INFRA / folder).glob("*.tf")))


def blocks(folder: str, kind: str) -> dict[str, str]:
    """The bodies of blocks such as `variable "name" { … }`, by name; a block ends with the first } in column 1."""
    return dict(re.findall(rf'^{kind} "([^"]+)" {{\n(.*?)^}}', source(folder), re.DOTALL | re.MULTILINE))


def table(folder: str, heading: str) -> set[str]:
    """The names in backticks of the first column of the table below a heading."""
    text = (INFRA / folder / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {
        name for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_has_every_input_and_output_and_what_it_costs(folder: str) -> None:
    assert table(folder, "Inputs") == set(blocks(folder, "variable"))
    assert table(folder, "Outputs") == set(blocks(folder, "output"))
    text = (INFRA / folder / "README.md").read_text(encoding="utf-8")
    assert "\n## Cost a month\n" in text
    assert "eu-central-1" in text.split("\n## Cost a month\n")[1]
    assert folder.startswith("examples/") or "\n## Permissions\n" in text


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_has_a_type_and_a_description_and_is_used(folder: str) -> None:
    for name, body in blocks(folder, "variable").items():
        assert re.search(r"^  type +=", body, re.MULTILINE), name
        assert re.search(r"^  description +=", body, re.MULTILINE), name
        assert len(re.findall(rf"\bvar\.{name}\b", source(folder).replace(body, ""))) > 0, f"{name} is not used"
    for name, body in blocks(folder, "output").items():
        assert re.search(r"^  description +=", body, re.MULTILINE), name


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_only_provider_is_aws_and_the_oldest_terraform_is_named(folder: str) -> None:
    assert re.findall(r'\bsource += "([^./"][^"]*)"', source(folder)) == ["hashicorp/aws"]
    assert 'required_version = ">= 1.6"' in source(folder)
    assert not re.search(r"^resource \"(?!aws_)", source(folder), re.MULTILINE)
    assert folder.startswith("examples/") or not re.search(r'^provider "', source(folder), re.MULTILINE)


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_valid(make_stack: MakeStack, folder: str, aws: Aws) -> None:
    assert "Success!" in make_stack(folder).run("validate", "-no-color")


def test_everything_is_formatted(terraform: Terraform) -> None:
    assert terraform.run(INFRA, "fmt", "-check", "-recursive", "-diff") == (0, "")


def test_the_docs_name_outputs_that_are_there() -> None:
    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:\(|^    )out (\w+)", text, re.MULTILINE))

    assert {"kubeconfig_command", "storage_class", "push_command", "setup_command"} <= named
    assert named <= set(blocks("examples/complete", "output"))
