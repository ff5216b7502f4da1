"""What `make images` asks docker, podman or buildah to do, with stand-ins for them on the PATH."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from clickstream_core import __version__
from kit import inventory

ROOT = Path(__file__).parents[2]
PINNED = (ROOT / "deploy/image/base").read_text(encoding="utf-8").strip()
BASE = PINNED.partition("@")[0]
RUST = (ROOT / "deploy/image/rust").read_text(encoding="utf-8").strip()
OTHER = "mirror.example/python:3.13-slim"
DIGEST = "sha256:" + "5f" * 32
APPS = inventory.apps()
FURTHER = ("seaweedfs", "connect")
BUILT = (*APPS, *FURTHER)
OWN_DOCKERFILE = ("statistics", *FURTHER)
FOLDERS = ("Dockerfile", "deploy/lambda/Dockerfile", *(f"deploy/image/{each}/Dockerfile" for each in OWN_DOCKERFILE))
KAFKA = re.findall("^ARG KAFKA_IMAGE=(.+)", (ROOT / FOLDERS[-1]).read_text(encoding="utf-8"), re.MULTILINE)[0]
IN_PYTHON = f"images.sh: clickstream-streams counts in Python: {RUST} can't be pulled here (lookup: no such host)\n"
LEFT_OUT = f"images.sh: clickstream-connect, for the archive, is left out: {KAFKA} can't be pulled here"
# Each call on one line of the log: the program's name, and its arguments in angle brackets.
STAND_IN = """#!/bin/sh
{ printf '%s' "${0##*/}"; printf ' <%s>' "$@"; echo; } >> "$CALLS"
case "$1 $2" in
    "buildx inspect") [ -n "$BUILDX" ] || exit 1; echo "$BUILDX"; exit ;;
    "buildx build") exit $BUILDS ;;
    "image inspect" | "inspect --type") exit ${INSPECTS:-1} ;;
esac
case $1 in
    buildx | inspect) [ -n "$DIGEST" ] || exit 1; echo "$DIGEST"; exit ;;
    version | info) echo "$INFO"; echo "warming up" >&2; echo "$REFUSAL" >&2; exit $WORKS ;;
    digest) [ -n "$DIGEST" ] || exit 1; echo "$DIGEST"; exit ;;
    pull) echo "trying" >&2; echo "Error: pinging registry: lookup: no such host" >&2; exit ${PULLS:-0} ;;
    push | manifest) exit $PUSHES ;;
    images) echo "87 MB"; echo "87 MB" ;;
    build | bud) exit $BUILDS ;;
esac
"""


@dataclass(frozen=True)
class Finished:
    """How `deploy/images.sh` ended, and what it asked of the builders."""

    status: int
    output: str
    error: str
    calls: list[str]

    @property
    def builds(self) -> list[str]:
        """The calls that build an image."""
        return [call for call in self.calls if " <build>" in call or " <bud>" in call]


@dataclass(frozen=True)
class Machine:
    """A checkout, and a PATH with nothing on it but the tools that the script needs and the builders put there."""

    checkout: Path
    path: Path

    def install(self, builder: str, *, works: bool = True, builds: bool = True, refusal: str = "no daemon") -> None:
        """Put a stand-in for `builder` on the PATH."""
        settings = {"WORKS": int(not works), "BUILDS": int(not builds), "REFUSAL": repr(refusal)}
        script = STAND_IN.replace("\n", "\n" + "".join(f"{name}={value}\n" for name, value in settings.items()), 1)
        (self.path / builder).write_text(script)
        (self.path / builder).chmod(0o755)

    def git(self, *arguments: str) -> str:
        """Run git in the checkout, without the settings of the user who runs the tests."""
        people = {f"GIT_{role}_{what}": "someone" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        return subprocess.run(
            ["git", *arguments], cwd=self.checkout, env=environment | people, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> str:
        """Make the checkout a git repository with one commit; return its hash."""
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "Begin")
        return self.git("rev-parse", "HEAD")

    def images(self, *arguments: str, **variables: str) -> Finished:
        """Run the script."""
        calls = self.path.parent / "calls"
        calls.write_text("")
        nothing_above = {"GIT_CEILING_DIRECTORIES": str(self.checkout.parent)}
        environment = {"PATH": str(self.path), "CALLS": str(calls), "PUSHES": "0"} | nothing_above
        done = subprocess.run(
            [self.checkout / "deploy/images.sh", *arguments],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Finished(done.returncode, done.stdout, done.stderr, calls.read_text().splitlines())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any builder."""
    checkout, path = tmp_path / "checkout", tmp_path / "bin"
    for pattern in (
        *(
            "Dockerfile",
            "deploy/*.sh",
            "deploy/image/base",
            "deploy/image/rust",
            "deploy/image/*/Dockerfile",
            "deploy/lambda/Dockerfile",
            "deploy/clickstream_deploy/*.py",
        ),
        *("apps/core/clickstream_core/__init__.py", "apps/*/pyproject.toml"),
    ):
        for file in ROOT.glob(pattern):
            copy = checkout / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    path.mkdir()
    for tool in ("bash", "dirname", "git"):
        found = shutil.which(tool)
        assert found is not None, f"{tool} is needed to run this test"
        (path / tool).symlink_to(found)
    (path / "python3").symlink_to(sys.executable)
    return Machine(checkout, path)


def test_all_are_built_under_the_version_of_the_packages(machine: Machine) -> None:
    machine.install("docker")
    done = machine.images()
    assert done.status == 0, done.error
    names = [f"localhost/clickstream-{app}:{__version__}" for app in BUILT]
    for app, name, call in zip(BUILT, names, done.builds, strict=True):
        assert call.startswith("docker <build>")
        assert (f"<--build-arg> <APP={app}>" in call) == (app not in OWN_DOCKERFILE)
        assert (f"<--file> <./deploy/image/{app}/Dockerfile>" in call) == (app in OWN_DOCKERFILE)
        assert f"<--tag> <{name}>" in call
        assert f"<VERSION={__version__}>" in call
        assert f"<--build-arg> <PYTHON_IMAGE={PINNED}>" in call
        assert call.endswith(" <.>")
        assert f"{name:60} 87 MB\n" in done.output
    assert done.output.count("87 MB") == len(BUILT), "a builder lists an image once for each of its names"
    assert "push" not in done.output, "images for this machine need no registry"


def test_the_pinned_base_is_the_tag_that_the_dockerfiles_name_and_a_digest() -> None:
    assert re.fullmatch("sha256:[0-9a-f]{64}", PINNED.partition("@")[2])
    for name in FOLDERS:
        assert f"\nARG PYTHON_IMAGE={BASE}\n" in (ROOT / name).read_text(encoding="utf-8"), (
            "without a registry, builders find an image by its tag alone"
        )


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
@pytest.mark.parametrize("there", [True, False])
def test_all_are_built_on_the_pinned_base_which_is_pulled_if_it_is_missing(
    machine: Machine, builder: str, there: bool
) -> None:
    machine.install(builder)
    done = machine.images(INSPECTS="0" if there else "1")
    assert done.status == 0, done.error
    assert done.error == ""
    assert f"On {PINNED}\n" in done.output
    assert all(f"<PYTHON_IMAGE={PINNED}>" in call for call in done.builds)
    assert done.calls.count(f"{builder} <pull> <{PINNED}>") == (0 if there else 1)


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_where_the_pinned_base_cannot_be_pulled_the_tag_that_is_there_is_taken_but_never_pushed(
    machine: Machine, builder: str
) -> None:
    machine.install(builder)
    done = machine.images(PULLS="1")
    assert done.status == 0, done.error
    assert all(f"<PYTHON_IMAGE={BASE}>" in call for call in done.builds)
    assert done.error == (
        f"images.sh: {PINNED} can't be pulled here (lookup: no such host), so the {BASE} that is here is taken,"
        f" whatever it holds\n{IN_PYTHON}{LEFT_OUT} (lookup: no such host)\n"
    )
    assert [call for call in done.builds if "clickstream-connect" in call] == []
    pushed = machine.images("--push", REGISTRY=REGISTRY, PULLS="1")
    assert (pushed.status, pushed.builds) == (1, [])
    assert (
        f"{PINNED} can't be pulled here (lookup: no such host), and images that are pushed are built on" in pushed.error
    )
    assert pushed.error.count("\n") == 1


@pytest.mark.parametrize("resolver", ["docker", "skopeo", "crane"])
def test_the_tag_of_another_base_image_is_resolved_to_its_digest(machine: Machine, resolver: str) -> None:
    machine.install("podman")
    machine.install(resolver)
    done = machine.images(BUILDER="podman", PYTHON_IMAGE=OTHER, DIGEST=DIGEST)
    assert done.status == 0, done.error
    assert len(done.builds) == len(BUILT)
    for call in done.builds:
        assert f"<PYTHON_IMAGE={OTHER}@{DIGEST}>" in call
    assert f"On {OTHER}@{DIGEST}\n" in done.output
    asked = [call for call in done.calls if OTHER in call and " <--build-arg>" not in call]
    assert len(asked) == 1, "it is asked for once"
    assert done.error == ""


@pytest.mark.parametrize("answer", ["", "sha256:5f", "error: no such host"])
def test_a_base_image_with_an_unknown_digest_is_named(machine: Machine, answer: str) -> None:
    machine.install("docker")
    done = machine.images(PYTHON_IMAGE=OTHER, DIGEST=answer)
    assert done.status == 0, done.error
    assert f"<PYTHON_IMAGE={OTHER}>" in done.builds[0]
    assert f"images.sh: the digest of {OTHER} can't be found out here" in done.error
    assert f"PYTHON_IMAGE={OTHER}@sha256:... pins it" in done.error
    assert done.error.count("\n") == 1


def test_a_given_digest_is_used_without_a_query(machine: Machine) -> None:
    machine.install("docker")
    given = f"mirror.example/python:3.13-slim@{DIGEST}"
    done = machine.images(PYTHON_IMAGE=given, DIGEST="sha256:" + "0" * 64)
    assert f"<PYTHON_IMAGE={given}>" in done.builds[0]
    assert [call for call in done.calls if "<buildx>" in call] == []
    assert done.error == ""


def test_the_base_image_can_be_pinned_again(machine: Machine) -> None:
    machine.install("docker")
    dockerfile, base = machine.checkout / "Dockerfile", machine.checkout / "deploy/image/base"
    before = dockerfile.read_text()
    for digest in ("sha256:" + "0" * 64, DIGEST):
        done = machine.images("--pin", DIGEST=digest)
        assert done.status == 0, done.error
        assert done.builds == []
        assert base.read_text() == f"{BASE}@{digest}\n"
    assert dockerfile.read_text() == before
    assert f"<PYTHON_IMAGE={BASE}@{DIGEST}>" in machine.images().builds[0]


def test_another_base_image_can_be_pinned(machine: Machine) -> None:
    machine.install("skopeo")
    done = machine.images("--pin", DIGEST=DIGEST, PYTHON_IMAGE=OTHER)
    assert done.output == f"Pinned {OTHER}@{DIGEST} in deploy/image/base: see git diff, and commit it\n"
    assert (machine.checkout / "deploy/image/base").read_text() == f"{OTHER}@{DIGEST}\n"
    for name in FOLDERS:
        wanted = (ROOT / name).read_text().replace(f"ARG PYTHON_IMAGE={BASE}\n", f"ARG PYTHON_IMAGE={OTHER}\n")
        assert (machine.checkout / name).read_text() == wanted


def test_connect_is_built_on_another_strimzis_kafka(machine: Machine) -> None:
    machine.install("podman")
    other = "quay.io/strimzi/kafka:0.47.0-kafka-4.0.0"
    done = machine.images(KAFKA_IMAGE=other)
    (call,) = (call for call in done.builds if "clickstream-connect" in call)
    assert f"<--build-arg> <KAFKA_IMAGE={other}>" in call
    assert sum("KAFKA_IMAGE" in call for call in done.builds) == 1
    assert machine.images("--list").output.split() == list(APPS)


@pytest.mark.parametrize("given", [(), ("--push",)])
def test_a_kafka_that_was_named_or_is_to_be_pushed_has_to_be_there(machine: Machine, given: tuple[str, ...]) -> None:
    machine.install("podman")
    variables = {"REGISTRY": REGISTRY, "PYTHON_IMAGE": f"{OTHER}@{DIGEST}"} if given else {"KAFKA_IMAGE": "kafka:4"}
    variables["RUST_IMAGE"] = "none"
    done = machine.images(*given, **variables, PULLS="1")
    assert (done.status, done.builds) == (1, [])
    assert f"{KAFKA if given else 'kafka:4'} can't be pulled here (lookup: no such host), on which" in done.error


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_the_processor_alone_is_built_with_rust_unless_that_is_switched_off(machine: Machine, builder: str) -> None:
    machine.install(builder)
    done = machine.images()
    (call,) = (call for call in done.builds if "RUST_IMAGE" in call)
    assert f"<--build-arg> <APP=streams> <--build-arg> <RUST_IMAGE={RUST}>" in call
    assert f"{builder} <pull> <{RUST}>" in done.calls
    assert sum(f"<RUST_IMAGE={OTHER}>" in call for call in machine.images(RUST_IMAGE=OTHER).builds) == 1

    without = machine.images(RUST_IMAGE="none")
    assert (without.status, without.error) == (0, "")
    assert len(without.builds) == len(BUILT)
    assert not [call for call in without.calls if "rust" in call.lower()]


@pytest.mark.parametrize("given", [(), ("--push",)])
def test_rust_that_was_named_or_builds_what_is_pushed_has_to_be_there(machine: Machine, given: tuple[str, ...]) -> None:
    machine.install("podman")
    variables = {"REGISTRY": REGISTRY} if given else {"RUST_IMAGE": OTHER}
    done = machine.images(*given, **variables, PYTHON_IMAGE=f"mirror.example/python:3.11@{DIGEST}", PULLS="1")
    assert (done.status, done.builds) == (1, [])
    assert f"{RUST if given else OTHER} can't be pulled here (lookup: no such host), with which" in done.error
    assert "RUST_IMAGE=none builds it without" in done.error
    assert done.error.count("\n") == 1


def test_what_cannot_be_pinned_stays_as_it_is(machine: Machine) -> None:
    machine.install("docker")
    done = machine.images("--pin")
    assert done.status == 1
    assert f"the digest of {BASE} can't be found out here" in done.error
    assert (machine.checkout / "deploy/image/base").read_text() == f"{PINNED}\n"


def test_a_docker_client_without_its_daemon_does_not_count(machine: Machine) -> None:
    machine.install("docker", works=False)
    machine.install("podman")
    machine.install("buildah")
    done = machine.images()
    assert done.status == 0, done.error
    assert {call.split(" <")[0] for call in done.builds} == {"podman"}


def test_buildah_keeps_the_steps_it_has_done(machine: Machine) -> None:
    machine.install("buildah")
    done = machine.images()
    assert [call.split(" <--build-arg>")[0] for call in done.builds] == ["buildah <bud> <--layers>"] * len(BUILT)


def test_registry_tag_base_image_and_options_reach_the_builder(machine: Machine) -> None:
    machine.install("podman")
    done = machine.images(
        "--no-cache",
        REGISTRY="registry.example:5000/team/web",
        TAG="1.2_rc-3",
        PYTHON_IMAGE="mirror.example/python:3.13-slim",
    )
    assert done.status == 0, done.error
    name = "registry.example:5000/team/web/clickstream-streams:1.2_rc-3"
    (call,) = (call for call in done.builds if "<APP=streams>" in call)
    assert f"<--tag> <{name}> <--no-cache> <.>" in call
    assert "<--build-arg> <PYTHON_IMAGE=mirror.example/python:3.13-slim>" in call
    assert f"<VERSION={__version__}>" in call, "the label is the software's version, whatever the tag"
    assert f"  podman push {name}\n" in done.output


def test_a_named_builder_is_used_though_others_work(machine: Machine) -> None:
    machine.install("docker")
    machine.install("buildah")
    assert {call.split(" <")[0] for call in machine.images(BUILDER="buildah").builds} == {"buildah"}


def test_without_a_builder_each_one_says_why(machine: Machine) -> None:
    machine.install("docker", works=False, refusal="Cannot connect to the Docker daemon")
    done = machine.images()
    assert done.status == 1
    assert done.builds == []
    assert "start docker's daemon, or install podman or buildah" in done.error
    assert "docker does not work: Cannot connect to the Docker daemon\n" in done.error
    assert "podman is not installed" in done.error
    assert "buildah is not installed" in done.error


def test_a_named_builder_that_does_not_work_is_not_replaced(machine: Machine) -> None:
    machine.install("docker")
    machine.install("podman", works=False, refusal="no user namespaces")
    done = machine.images(BUILDER="podman")
    assert done.status == 1
    assert done.builds == []
    assert "BUILDER=podman can't build images here" in done.error
    assert "no user namespaces" in done.error


def test_a_build_that_fails_ends_it(machine: Machine) -> None:
    machine.install("docker", builds=False)
    done = machine.images()
    assert done.status == 1
    assert len(done.builds) == 1
    assert f"docker did not build localhost/clickstream-{APPS[0]}:{__version__}" in done.error
    assert "Built" not in done.output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REGISTRY", "https://registry.example"),
        ("REGISTRY", "registry.example/Team"),
        ("REGISTRY", "registry.example/"),
        ("TAG", "-1"),
        ("TAG", "a b"),
        ("TAG", "1.0+local"),
        ("TAG", "v" * 129),
        ("BUILDER", "kaniko"),
        ("PLATFORMS", "arm64"),
        ("PLATFORMS", "linux/amd64 linux/arm64"),
        ("PLATFORMS", "linux/riscv64"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_built(machine: Machine, variable: str, value: str) -> None:
    machine.install("docker")
    done = machine.images(**{variable: value})
    assert done.status == 2
    assert done.error.startswith(f"images.sh: {variable}={value}: expected ")
    assert done.error.count("\n") == 1
    assert done.builds == []


def test_the_revision_marks_uncommitted_changes(machine: Machine) -> None:
    machine.install("docker")
    revision = machine.commit()
    assert f"<REVISION={revision}>" in machine.images().builds[0]
    version = machine.checkout / "apps/core/clickstream_core/__init__.py"
    version.write_text(version.read_text() + "\n")
    assert f"<REVISION={revision}-dirty>" in machine.images().builds[0]
    assert "<REVISION=abc>" in machine.images(REVISION="abc").builds[0]


def test_without_git_the_revision_is_unknown(machine: Machine) -> None:
    machine.install("docker")
    assert "<REVISION=unknown>" in machine.images().builds[0]
    (machine.path / "git").unlink()
    done = machine.images()
    assert done.status == 0, done.error
    assert "<REVISION=unknown> <--build-arg> <SOURCE=>" in done.builds[0]


@pytest.mark.parametrize(
    ("origin", "label"),
    [
        ("https://git.example/team/clickstream.git", "https://git.example/team/clickstream"),
        ("https://someone:secret@git.example/team/clickstream", "https://git.example/team/clickstream"),
        ("git@git.example:team/clickstream.git", "https://git.example/team/clickstream"),
        ("ssh://git@git.example/team/clickstream.git", "https://git.example/team/clickstream"),
        ("/home/someone/clickstream", ""),
        ("../clickstream", ""),
    ],
)
def test_the_source_label_is_an_address_without_secrets(machine: Machine, origin: str, label: str) -> None:
    machine.install("docker")
    machine.commit()
    machine.git("remote", "add", "origin", origin)
    assert f"<SOURCE={label}>" in machine.images().builds[0]


# -- several architectures, and pushing -------------------------------------------------------------------------------

BOTH = "linux/amd64,linux/arm64"
REGISTRY = "registry.example/team"
PUSHED = [f"{REGISTRY}/clickstream-{app}:{__version__}" for app in BUILT]
CAN_DO_BOTH = "Driver:   docker-container\nNodes:\nPlatforms: linux/amd64*, linux/amd64/v2, linux/386, linux/arm64"


@pytest.mark.parametrize("platforms", ["linux/arm64", BOTH])
def test_images_are_built_for_the_platforms_that_are_named(machine: Machine, platforms: str) -> None:
    machine.install("docker")
    done = machine.images(PLATFORMS=platforms)
    assert done.status == 0, done.error
    assert all(call.startswith(f"docker <build> <--platform> <{platforms}>") for call in done.builds)
    assert f"On {PINNED}, for {platforms}\n" in done.output


@pytest.mark.parametrize("builder", ["podman", "buildah"])
def test_podman_and_buildah_keep_several_platforms_as_a_list_in_the_place_of_what_had_the_name(
    machine: Machine, builder: str
) -> None:
    machine.install(builder)
    done = machine.images(PLATFORMS=BOTH, REGISTRY=REGISTRY)
    assert done.status == 0, done.error
    for name, call in zip(PUSHED, done.builds, strict=True):
        assert f"<--platform> <{BOTH}>" in call
        assert f"<--manifest> <{name}> <.>" in call
        assert done.calls.index(f"{builder} <manifest> <rm> <{name}>") < done.calls.index(call)
        assert f"  {builder} manifest push --all {name} docker://{name}\n" in done.output
    assert "--tag" not in " ".join(done.builds)


@pytest.mark.parametrize("said", [CAN_DO_BOTH, CAN_DO_BOTH.replace("docker-container", "docker")])
def test_docker_pushes_for_both_architectures_where_it_can(machine: Machine, said: str) -> None:
    machine.install("docker")
    done = machine.images("--push", "--sbom=true", REGISTRY=REGISTRY, BUILDX=said, INFO="io.containerd.snapshotter.v1")
    assert done.status == 0, done.error
    for name, call in zip(PUSHED, done.builds, strict=True):
        assert call.startswith(f"docker <buildx> <build> <--push> <--platform> <{BOTH}>")
        assert call.endswith(f"<--tag> <{name}> <--sbom=true> <.>")
        assert f"  {name} " in done.output
    assert "Built and pushed with docker" in done.output
    assert "Send them" not in done.output
    assert "architecture" not in done.error


@pytest.mark.parametrize(
    ("builder", "said", "info"),
    [
        ("docker", "", ""),
        ("docker", CAN_DO_BOTH.replace(", linux/arm64", ""), ""),
        ("docker", CAN_DO_BOTH.replace("docker-container", "docker"), "[[Backing Filesystem extfs]]"),
        ("podman", "", "linux/amd64 []"),
        ("buildah", "", ""),
    ],
)
def test_a_builder_of_one_architecture_pushes_that_and_says_so(
    machine: Machine, builder: str, said: str, info: str
) -> None:
    machine.install(builder)
    done = machine.images("--push", REGISTRY=REGISTRY, BUILDX=said, INFO=info)
    assert done.status == 0, done.error
    assert "<--platform>" not in " ".join(done.builds)
    assert f"for this machine's architecture only: {builder} does not say that it can build for amd64" in done.error
    assert f"PLATFORMS={BOTH}" in done.error


def test_podman_pushes_a_list_of_both_architectures(machine: Machine) -> None:
    machine.install("podman")
    done = machine.images("--push", REGISTRY=REGISTRY, INFO="linux/amd64 [linux/arm linux/arm64]")
    assert done.status == 0, done.error
    assert "<--push>" not in " ".join(done.builds)
    pushes = [f"podman <manifest> <push> <--all> <{name}> <docker://{name}>" for name in PUSHED]
    assert [call for call in done.calls if "<push>" in call] == pushes


def test_a_push_that_fails_is_named(machine: Machine) -> None:
    machine.install("buildah")
    done = machine.images("--push", REGISTRY=REGISTRY, PLATFORMS="linux/amd64", PUSHES="1")
    assert done.status == 1
    assert f"buildah did not push {PUSHED[0]}" in done.error
    assert f"buildah <push> <{PUSHED[0]}>" in done.calls
    assert "pushed with" not in done.output


def test_there_is_nowhere_to_push_without_a_registry(machine: Machine) -> None:
    machine.install("docker")
    done = machine.images("--push")
    assert (done.status, done.builds) == (2, [])
    assert "--push needs a REGISTRY to push to" in done.error
