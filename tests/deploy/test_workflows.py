"""The workflows for GitHub, as far as they can be tested without it: what they may, and what their steps do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_core import __version__
from kit import helm, inventory
from kit.helm import Charts
from kit.skipping import skip

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DIGEST = "sha256:" + "5f" * 32
# Whatever pushes or signs is written down; docker reports a digest, and helm does the rest itself.
STAND_IN = """#!/bin/sh
case "${0##*/} $1" in
    "docker buildx") echo "$DIGEST"; exit ;;
    "helm push") echo "Pushed: $3/x" >&2; echo "Digest: $DIGEST" >&2 ;;
    helm*) exec "$HELM" "$@" ;;
esac
{ printf '%s' "${0##*/}"; printf ' %s' "$@"; echo; } >> "$CALLS"
"""

Workflow = dict[str, Any]


def load(path: Path) -> Workflow:
    # YAML 1.1 takes the key `on` for true.
    workflow: Workflow = yaml.safe_load(re.sub("^on:", '"on":', path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return workflow


def steps(workflow: Workflow) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.fixture(scope="module")
def release() -> Workflow:
    return load(ROOT / ".github" / "workflows" / "release.yml")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_their_commit_and_scripts_are_sound(path: Path) -> None:
    workflow = load(path)
    shellcheck = shutil.which(
        "shellcheck", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    )
    if shellcheck is None:
        skip("there is no shellcheck")

    for line in re.findall(r"uses: .+", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    for script in [step["run"] for step in steps(workflow) if "run" in step]:
        assert "${{" not in script, "what GitHub fills in belongs into env, where no shell reads it as code"
        checked = subprocess.run(
            [shellcheck, "--shell=bash", "-"],
            input=script,
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stdout
    assert workflow["permissions"] == {"contents": "read"}, "what a job needs beyond that it says itself"
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())


def test_only_a_versions_tag_publishes_and_only_with_the_rights_that_it_needs(release: Workflow) -> None:
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["concurrency"]["cancel-in-progress"] is False
    assert release["defaults"] == {"run": {"shell": "bash"}}, "a pipe fails with any of its programs"
    (job,) = release["jobs"].values()
    assert job["permissions"] == {"contents": "write", "packages": "write", "id-token": "write"}
    assert job["env"]["HELM_VERSION"] == helm.VERSION
    assert [step.get("name", "checkout") for step in job["steps"]] == [
        "checkout",
        "The tag is the version of the apps, of the crate and of every chart",
        "Build helm and cosign",
        "Let docker build for arm64 too",
        "Sign in to the registry",
        "Build and push the images",
        "Sign the images",
        "Attach and sign the wheels",
        "Push and sign the charts",
    ]


def test_images_are_of_both_architectures_with_sbom_and_provenance(release: Workflow) -> None:
    (script,) = (step["run"] for step in steps(release) if step.get("name") == "Build and push the images")

    assert 'make images REGISTRY="$REGISTRY" TAG="$VERSION" PLATFORMS=linux/amd64,linux/arm64' in script
    assert 'ARGS="--push --sbom=true --provenance=mode=max"' in script


def run_step(release: Workflow, name: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script as the runner would, in `directory`."""
    (script,) = (step["run"] for step in steps(release) if step.get("name") == name)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("tag", [f"v{__version__}", "v9.9.9", "v", f"v{__version__}0"])
def test_a_tag_that_is_not_the_version_publishes_nothing(release: Workflow, tag: str, tmp_path: Path) -> None:
    file = tmp_path / "environment"

    done = run_step(
        release,
        "The tag is the version of the apps, of the crate and of every chart",
        ROOT,
        GITHUB_REF_NAME=tag,
        GITHUB_REPOSITORY_OWNER="Some-Team",
        GITHUB_ENV=str(file),
    )

    if tag == f"v{__version__}":
        assert done.returncode == 0, done.stderr
        assert file.read_text() == f"VERSION={__version__}\nREGISTRY=ghcr.io/some-team\n"
    else:
        assert done.returncode == 1
        assert not file.exists()


def test_a_chart_of_another_version_publishes_nothing(release: Workflow, tmp_path: Path) -> None:
    versions = ("apps/core/clickstream_core/__init__.py", "apps/native/Cargo.toml")
    for file in (*(ROOT / each for each in versions), *ROOT.glob("charts/*/Chart.yaml")):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(file, copy)
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring/Chart.yaml").write_text("name: clickstream-monitoring\nversion: 9.9.9\n")

    done = run_step(
        release,
        "The tag is the version of the apps, of the crate and of every chart",
        tmp_path,
        GITHUB_REF_NAME=f"v{__version__}",
        GITHUB_ENV=str(tmp_path / "environment"),
    )

    assert done.returncode == 1
    assert not (tmp_path / "environment").exists()


def test_each_image_and_chart_is_signed_by_its_digest(release: Workflow, charts: Charts, tmp_path: Path) -> None:
    checkout, programs = tmp_path / "checkout", tmp_path / "bin"
    for folder in ("charts", "monitoring"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("*.tgz"))
    shutil.copytree(ROOT / "deploy", checkout / "deploy")
    for app in ROOT.glob("apps/*/pyproject.toml"):
        (checkout / app.relative_to(ROOT)).parent.mkdir(parents=True)
        shutil.copy(app, checkout / app.relative_to(ROOT))
    programs.mkdir()
    for program in ("docker", "helm", "cosign"):
        (programs / program).write_text(STAND_IN)
        (programs / program).chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HELM": str(charts.executable),
        **{f"HELM_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA")},
        "CALLS": str(tmp_path / "calls"),
        "DIGEST": DIGEST,
        "REGISTRY": "ghcr.io/team",
        "VERSION": __version__,
    }

    for step in ("Sign the images", "Push and sign the charts"):
        done = run_step(release, step, checkout, **environment)
        assert done.returncode == 0, done.stderr

    names = sorted([*(path.name for path in (ROOT / "charts").iterdir()), "clickstream-monitoring"])
    published = [
        call
        for name in names
        for call in (
            f"helm push dist/{name}-{__version__}.tgz oci://ghcr.io/team/charts",
            f"cosign sign --yes ghcr.io/team/charts/{name}@{DIGEST}",
        )
    ]
    signed = [f"cosign sign --yes ghcr.io/team/clickstream-{app}@{DIGEST}" for app in inventory.apps()]
    assert (tmp_path / "calls").read_text().splitlines() == signed + published


@pytest.mark.parametrize("there", [False, True])
def test_the_wheels_of_both_architectures_are_attached_with_their_signatures(
    release: Workflow, there: bool, tmp_path: Path
) -> None:
    """In a release that was made by hand before, too."""
    checkout, programs = tmp_path / "checkout", tmp_path / "bin"
    (checkout / "deploy/image").mkdir(parents=True)
    for file in ("base", "rust"):
        shutil.copy(ROOT / "deploy/image" / file, checkout / "deploy/image")
    programs.mkdir()
    noted = '{ printf "%s" "${0##*/}"; printf " %s" "$@"; echo; } >> "$CALLS"'
    made = "for each in amd64 arm64; do mkdir -p wheels/linux_$each && touch wheels/linux_$each/native_$each.whl; done"
    signed = '[ "$1 $2 $3" = "sign-blob --yes --bundle" ] && touch "$4"'
    for program, does in (("docker", made), ("cosign", signed), ("gh", f'[ "$2" != view ] || exit {int(not there)}')):
        (programs / program).write_text(f"#!/bin/sh\n{noted}\n{does}\n")
        (programs / program).chmod(0o755)

    done = run_step(
        release,
        "Attach and sign the wheels",
        checkout,
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
        CALLS=str(tmp_path / "calls"),
        GITHUB_REF_NAME=f"v{__version__}",
        VERSION=__version__,
    )

    assert done.returncode == 0, done.stderr
    built, *_, upload = (tmp_path / "calls").read_text().splitlines()
    assert built.startswith("docker buildx build --target wheel --platform linux/amd64,linux/arm64 ")
    for argument, file in (("PYTHON_IMAGE", "base"), ("RUST_IMAGE", "rust")):
        assert f"--build-arg {argument}={(ROOT / 'deploy/image' / file).read_text().strip()} " in built
    assert ("gh release create" in (tmp_path / "calls").read_text()) == (not there)
    wheels = [f"wheels/linux_{each}/native_{each}.whl" for each in ("amd64", "arm64")]
    attached = " ".join([*wheels, *(f"{wheel}.sigstore.json" for wheel in wheels)])
    assert upload == f"gh release upload v{__version__} --clobber {attached}"


def test_a_digest_that_is_not_told_is_never_signed(release: Workflow, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "charts/none").mkdir(parents=True)
    (tmp_path / "helm").write_text("#!/bin/sh\n[ \"$1\" != push ] || { echo 'Error: 403' >&2; exit 1; }\n")
    (tmp_path / "cosign").write_text('#!/bin/sh\ntouch "$SIGNED"\n')
    for program in ("helm", "cosign"):
        (tmp_path / program).chmod(0o755)
    (tmp_path / f"dist/clickstream-streams-{__version__}.tgz").touch()

    done = run_step(
        release,
        "Push and sign the charts",
        tmp_path,
        PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        SIGNED=str(tmp_path / "signed"),
        REGISTRY="ghcr.io/team",
        VERSION=__version__,
    )

    assert done.returncode == 1
    assert "Error: 403" in done.stderr
    assert not (tmp_path / "signed").exists()
