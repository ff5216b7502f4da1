"""What `./setup.sh --build` builds, and how the images reach the nodes; and the nodes that fit the images.

docker, podman, buildah, kind, k3d and minikube are stand-ins. Their options were compared with kind 0.33's source and
with the reference pages of k3d 5, minikube, skopeo, crane and docker's buildx.
"""

import json
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clickstream_core import __version__
from clickstream_deploy.build import hash_of_sources
from clickstream_deploy.programs import Done
from kit.fake_kubernetes import RELEASES, STRIMZI, FakeCluster, FakePrograms, FakeRunning, Finished, manifest

ROOT = Path(__file__).parents[2]
BASE = (ROOT / "deploy/image/base").read_text(encoding="utf-8").strip()
RUST = (ROOT / "deploy/image/rust").read_text(encoding="utf-8").strip()
APPS = ("consumer", "streams", "producer")
KINDS = ("Kafka", "KafkaConnect", "KafkaConnector", "KafkaNodePool", "KafkaTopic", "KafkaUser")
REGISTRY = "registry.example/team"
BOTH = "linux/amd64,linux/arm64"


@dataclass
class Machine(FakePrograms):
    """This machine's programs, as far as they are not in `missing`; `started` are those that may take long."""

    answers: dict[str, str] = field(default_factory=dict)
    """What a program prints, by a pattern of its call."""
    started: list[str] = field(default_factory=list)
    never_ending: str = "nothing"

    def run(self, *command: str, timeout_s: float | None = None) -> Done:
        if command[0] in ("kubectl", "helm"):
            return super().run(*command)
        call = " ".join(command)
        self.calls.append(call)
        error = next((each for pattern, each in self.failing.items() if re.search(pattern, call)), "")
        answer = next((each for pattern, each in self.answers.items() if re.search(pattern, call)), "")
        return Done(1 if error else 0, answer, error)

    def start(self, *command: str) -> FakeRunning:
        if command[0] in ("kubectl", "helm"):
            return super().start(*command)
        call = " ".join(command)
        self.started.append(call)
        self.happened.append(f"start {call}")
        error = next((each for pattern, each in self.failing.items() if re.search(pattern, call)), "")
        ends = None if re.search(self.never_ending, call) else Done(1 if error else 0, error)
        return FakeRunning(self, call, ends)


@dataclass
class Site:
    """A cluster, and the machine on which setup.sh runs."""

    cluster: FakeCluster
    machine: Machine

    def node(self, architecture: str = "amd64", name: str = "node", provider: str = "", **labels: str) -> None:
        """Add a node."""
        labels["kubernetes.io/arch"] = architecture
        named = f"{name}-{len(self.cluster.api.of('Node'))}"
        self.cluster.api.add(manifest("Node", named, labels=labels, spec={"providerID": provider}))

    def setup(self, *options: str) -> Finished:
        """Run ./setup.sh."""
        return self.cluster.run("setup.sh", *options)

    def builds(self) -> list[str]:
        """The calls that build an image."""
        return [each for each in self.machine.started if re.search(r"^\w+( buildx)? (build|bud) ", each)]

    def nothing_happened(self) -> bool:
        """Whether nothing was built and nothing changed in the cluster."""
        return not self.cluster.happened


@pytest.fixture
def site(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A cluster of no special kind, and a machine of amd64 on which docker works."""
    old = cluster.programs
    machine = Machine(cluster.happened, missing={"podman", "buildah", "kind", "k3d", "minikube", "skopeo", "crane"})
    machine.manifests, machine.rendered = old.manifests, old.rendered
    cluster.programs = machine
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name in ("BUILDER", "PLATFORMS", "PYTHON_IMAGE", "RUST_IMAGE", "REVISION", "SOURCE"):
        monkeypatch.delenv(name, raising=False)
    return Site(cluster, machine)


def make_kind(site: Site) -> None:
    site.node(provider="kind://docker/dev/dev-control-plane")


def make_k3d(site: Site) -> None:
    site.node(name="k3d-my-team-server")


def make_minikube(site: Site) -> None:
    site.node(**{"minikube.k8s.io/name": "profile-2"})


LOCAL_CLUSTERS: dict[str, tuple[Callable[[Site], None], str, str]] = {
    "kind": (make_kind, "dev", "kind load image-archive {} --name dev"),
    "k3d": (make_k3d, "my-team", "k3d image import {} --cluster my-team"),
    "minikube": (make_minikube, "profile-2", "minikube image load {} --profile profile-2"),
}
SAVES = {
    "docker": "docker save --output {archive} {image}",
    "podman": "podman push {image} docker-archive:{archive}:{image}",
    "buildah": "buildah push {image} docker-archive:{archive}:{image}",
}
BUILDS = {"docker": "docker build ", "podman": "podman build ", "buildah": "buildah bud --layers "}


@pytest.mark.parametrize("builder", SAVES)
@pytest.mark.parametrize("program", LOCAL_CLUSTERS)
def test_images_are_built_and_loaded_into_a_cluster_of_this_machine_before_anything_is_made(
    site: Site, program: str, builder: str
) -> None:
    make, name, load = LOCAL_CLUSTERS[program]
    make(site)
    site.machine.missing = {*SAVES, *LOCAL_CLUSTERS} - {program, builder}

    finished = site.setup("--build")

    assert finished.status == 0, finished.error
    *steps, last = site.machine.started
    archives = []
    for app, build, save in zip(APPS, steps[::2], steps[1::2], strict=True):
        image = f"localhost/clickstream-{app}:{__version__}"
        assert build.startswith(BUILDS[builder])
        for argument in (f"PYTHON_IMAGE={BASE}", f"VERSION={__version__}", f"APP={app}"):
            assert f"--build-arg {argument} " in build
        assert build.endswith(f" --tag {image} {ROOT}")
        assert (f"--build-arg RUST_IMAGE={RUST} " in build) == (app == "streams")
        assert "--platform" not in build, "the nodes are of this machine's architecture"
        archives.append(re.findall(rf"/\S*/{app}\.tar", save)[0])
        assert save == SAVES[builder].format(archive=archives[-1], image=image)
        assert f"{image} is built\n" in finished.output
    assert last == load.format(" ".join(archives))
    assert f"The images are in {program} cluster {name}\n" in finished.output
    assert site.cluster.happened[: len(steps) + 1] == [f"start {each}" for each in site.machine.started]


@pytest.mark.parametrize(
    ("context", "load"),
    [
        ("kind-kind", "kind load image-archive .* --name kind"),
        ("k3d-clickstream", "k3d image import .* --cluster clickstream"),
        ("minikube", "minikube image load .* --profile minikube"),
    ],
)
def test_a_cluster_whose_nodes_do_not_say_it_is_recognized_by_its_context(site: Site, context: str, load: str) -> None:
    site.cluster.api.context = context
    site.machine.missing = set()
    assert site.setup("--build").status == 0
    assert re.fullmatch(load, site.machine.started[-1])


def test_the_images_of_the_apps_that_are_installed_are_built(site: Site) -> None:
    make_kind(site)
    site.machine.missing = set()
    assert site.setup("--build", "--collector", "--image-tag", "dev").status == 0
    built = [re.findall(r"--tag (\S+)", each)[0] for each in site.builds()]
    assert built == [f"localhost/clickstream-{app}:dev" for app in (*APPS[:2], "collector", *APPS[2:])] or set(
        built
    ) == {f"localhost/clickstream-{app}:dev" for app in (*APPS, "collector")}


def test_what_the_archive_needs_beside_its_app_is_built_with_it(site: Site) -> None:
    make_kind(site)
    site.machine.missing = set()
    site.cluster.api.serve(STRIMZI, "v1", *KINDS)
    site.machine.manifests |= {f"archive/{each}": [] for each in ("dev", "glue", "users", "topics", "dev/topics")}
    bucket = ("--archive-bucket", "example-archive", "--archive-region", "eu-central-1")
    for options, further in (((), ("archive", "seaweedfs", "connect")), (bucket, ("archive", "connect"))):
        finished = site.setup("--build", "--archive", "--dry-run", *options)
        assert finished.status == 0, finished.error
        assert f"Would build {len(APPS) + len(further)} images with docker" in finished.output


def test_with_a_registry_images_are_pushed_to_it_whatever_the_cluster(site: Site) -> None:
    make_kind(site)
    finished = site.setup("--build", "--image-registry", REGISTRY, "--image-tag", "1.0-rc1")
    assert finished.status == 0, finished.error
    assert len(site.machine.started) == len(APPS)
    for app, call in zip(APPS, site.machine.started, strict=True):
        assert call.startswith("docker buildx build --push --platform linux/amd64 ")
        assert f" --tag {REGISTRY}/clickstream-{app}:1.0-rc1 " in call
    for release in RELEASES:
        image = site.cluster.values(release)["image"]
        assert image == {"registry": REGISTRY, "tag": "1.0-rc1", "digest": "", "pullPolicy": "Always"}
    assert f"{REGISTRY}/clickstream-streams:1.0-rc1 is built and pushed\n" in finished.output


def test_podman_pushes_after_each_build(site: Site) -> None:
    site.machine.missing = {"docker"}
    assert site.setup("--build", "--image-registry", REGISTRY).status == 0
    image = f"{REGISTRY}/clickstream-consumer:{__version__}"
    assert site.machine.started[0].startswith("podman build ")
    assert site.machine.started[1] == f"podman push {image}"


def test_pods_are_replaced_when_the_sources_of_their_images_have_changed(site: Site, tmp_path: Path) -> None:
    make_kind(site)
    site.machine.missing = set()
    assert site.setup("--build").status == 0
    values = site.cluster.values("clickstream-consumer")
    assert values["podAnnotations"] == {"clickstream/built-from": hash_of_sources(ROOT, RUST)}
    assert values["image"] == {"registry": "localhost", "tag": __version__, "digest": ""}

    others = ("apps/one/tests/test_code.py", "apps/one/__pycache__/code.pyc", "apps/one/target/release/code.so")
    for name in ("Dockerfile", "apps/one/code.py", *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    before = hash_of_sources(tmp_path, "none")
    for name in others:
        (tmp_path / name).write_text("after")
    assert hash_of_sources(tmp_path, "none") == before
    assert hash_of_sources(tmp_path, RUST) != before
    (tmp_path / "apps/one/code.py").write_text("after")
    assert hash_of_sources(tmp_path, "none") != before


def test_without_build_nothing_is_built_and_the_charts_decide(site: Site) -> None:
    make_kind(site)
    assert site.setup().status == 0
    assert site.machine.started == []
    assert not {"image", "podAnnotations"} & set(site.cluster.values("clickstream-consumer"))


def test_a_dry_run_says_what_would_be_built(site: Site) -> None:
    make_kind(site)
    site.machine.missing = set()
    finished = site.setup("--build", "--dry-run")
    assert finished.status == 0, finished.error
    assert "Would build 3 images with docker and load them into kind cluster dev\n" in finished.output
    assert site.machine.started == []
    finished = site.setup("--build", "--dry-run", "--image-registry", REGISTRY)
    assert f"Would build 3 images with docker and push them to {REGISTRY}\n" in finished.output


# -- refusals, before anything is built --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--image-registry=localhost"]])
def test_a_cluster_of_another_kind_needs_a_registry(site: Site, options: list[str]) -> None:
    site.node(provider="aws:///eu-central-1a/i-0123456789")
    finished = site.setup("--build", *options)
    assert finished.status == 1
    assert "this cluster is neither kind's, k3d's nor minikube's" in finished.error
    assert "--image-registry" in finished.error
    assert finished.error.count("\n") == 1
    assert site.nothing_happened()


@pytest.mark.parametrize("program", LOCAL_CLUSTERS)
def test_a_missing_load_command_is_named(site: Site, program: str) -> None:
    make, name, _ = LOCAL_CLUSTERS[program]
    make(site)
    finished = site.setup("--build")
    assert finished.status == 1
    assert f"this is {program} cluster {name}, and there is no {program} on the PATH" in finished.error
    assert "https://" in finished.error
    assert site.nothing_happened()


def test_without_a_builder_each_one_says_why(site: Site) -> None:
    make_kind(site)
    site.machine.missing = {"podman", "buildah"}
    site.machine.failing["docker version"] = "Cannot connect to the Docker daemon"
    finished = site.setup("--build")
    assert finished.status == 1
    assert "docker does not work: Cannot connect to the Docker daemon" in finished.error
    assert "podman is not installed" in finished.error
    assert site.nothing_happened()


def test_images_on_another_base_than_the_pinned_one_are_not_pushed(site: Site) -> None:
    site.machine.failing |= {"docker image inspect": "No such image", "docker pull": "error\nno such host"}
    finished = site.setup("--build", "--image-registry", REGISTRY)
    assert finished.status == 1
    assert f"{BASE} can't be pulled here (no such host), and images that are pushed" in finished.error
    assert site.nothing_happened()

    make_kind(site)
    site.machine.missing = set()
    finished = site.setup("--build")
    assert finished.status == 0, finished.error
    assert f"Images: {BASE} can't be pulled here (no such host), so the" in finished.output


@pytest.mark.parametrize(
    ("architectures", "platforms", "options", "message"),
    [
        (["arm64"], "linux/amd64", ["--image-registry", REGISTRY], "the images would be built for amd64, and the"),
        (["amd64"], BOTH, [], f"PLATFORMS={BOTH}: the nodes of kind cluster dev have one architecture"),
        (["amd64"], "arm64", [], "PLATFORMS=arm64: expected linux/amd64, linux/arm64, or both"),
    ],
)
def test_platforms_that_fit_no_node_are_refused(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    architectures: list[str],
    platforms: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("PLATFORMS", platforms)
    site.machine.missing = set()
    for each in architectures:
        site.node(each, provider="kind://docker/dev/dev-control-plane")
    finished = site.setup("--build", *options)
    assert finished.status in (1, 2)
    assert message in finished.error
    assert site.nothing_happened()


# -- what goes wrong on the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("^docker build .*APP=streams", "docker did not build localhost/clickstream-streams:"),
        ("^docker save .*producer", "docker did not save localhost/clickstream-producer:"),
        ("^kind load", "kind did not load the images"),
    ],
)
def test_a_step_that_fails_shows_the_end_of_its_output_and_nothing_is_installed(
    site: Site, call: str, message: str
) -> None:
    make_kind(site)
    site.machine.missing = set()
    site.machine.failing[call] = "\n".join(f"line {number}" for number in range(100))
    finished = site.setup("--build")
    assert finished.status == 1
    assert message in finished.error
    assert "line 99\n" in finished.error
    assert "line 69\n" not in finished.error
    assert site.cluster.happened == [f"start {each}" for each in site.machine.started]


@pytest.mark.parametrize("ends_with", ["Ctrl+C", "--timeout"])
def test_a_build_that_takes_too_long_is_stopped(site: Site, ends_with: str) -> None:
    make_kind(site)
    site.machine.missing = set()
    site.machine.never_ending = "APP=streams"
    if ends_with == "Ctrl+C":
        site.cluster.press_ctrl_c(after_s=20)
    finished = site.setup("--build", "--timeout", "60s")
    assert finished.status == (130 if ends_with == "Ctrl+C" else 1)
    assert f"Waiting for docker to build localhost/clickstream-streams:{__version__}\n" in finished.output
    assert len(site.machine.stopped) == 1
    assert "APP=streams" in site.machine.stopped[0]
    said = "interrupted after 20s" if ends_with == "Ctrl+C" else f"streams:{__version__} in 60s: --timeout sets"
    assert said in finished.error


# -- architectures -----------------------------------------------------------------------------------------------------

MIXED = ("amd64", "arm64")
CAN_DO_BOTH = "Driver: docker-container\nPlatforms: linux/amd64, linux/arm64"


@pytest.mark.parametrize(
    ("architectures", "said", "platforms", "options", "built", "runs_on"),
    [
        (("arm64",), "", "", [], "linux/arm64", None),
        (MIXED, CAN_DO_BOTH, "", [], BOTH, None),
        (MIXED, "Driver: docker-container", "", [], "", "amd64"),
        (MIXED, CAN_DO_BOTH, "linux/arm64", [], "linux/arm64", "arm64"),
        (MIXED, "", "", ["--platform", "arm64"], "linux/arm64", "arm64"),
        (("amd64",), "", "", ["--platform", "arm64"], "linux/arm64", "arm64"),
        ((), CAN_DO_BOTH, "", [], BOTH, None),
    ],
)
def test_images_are_built_for_the_nodes_and_run_on_nodes_that_they_fit(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    architectures: tuple[str, ...],
    said: str,
    platforms: str,
    options: list[str],
    built: str,
    runs_on: str | None,
) -> None:
    for each in architectures:
        site.node(each)
    if platforms:
        monkeypatch.setenv("PLATFORMS", platforms)
    site.machine.answers["buildx inspect"] = said
    finished = site.setup("--build", "--image-registry", REGISTRY, *options)
    assert finished.status == 0, finished.error
    for call in site.builds():
        assert re.findall("--platform (\\S+)", call) == ([built] if built else [])
    wanted = {"kubernetes.io/arch": runs_on} if runs_on else None
    assert site.cluster.values("clickstream-consumer").get("nodeSelector") == wanted


def index(*architectures: str) -> str:
    """A manifest list, with the attestations that docker adds."""
    found: list[dict[str, Any]] = [{"platform": {"architecture": each, "os": "linux"}} for each in architectures]
    attestation = {"platform": {"architecture": "unknown", "os": "unknown"}}
    return json.dumps({"manifests": [*found, *([attestation] * len(found))]})


ONE = json.dumps({"config": {"mediaType": "application/vnd.oci.image.config.v1+json"}, "layers": []})
CONFIG = json.dumps({"architecture": "arm64", "os": "linux", "config": {}})
INSPECTS = {
    "docker": (
        "docker buildx imagetools inspect --raw {}",
        "docker buildx imagetools inspect --format {{{{json .Image}}}} {}",
    ),
    "skopeo": ("skopeo inspect --raw docker://{}", "skopeo inspect --config docker://{}"),
    "crane": ("crane manifest {}", "crane config {}"),
}


@pytest.mark.parametrize("tool", INSPECTS)
@pytest.mark.parametrize(
    ("answers", "runs_on", "said"),
    [
        ((index("amd64", "arm64"), ""), None, "Nodes are amd64 and arm64, and so are the images\n"),
        ((index("arm64"), ""), "arm64", "the apps run on arm64, as their images do (--platform names another, or any)"),
        ((ONE, CONFIG), "arm64", "the apps run on arm64, as their images do"),
        (("", ""), "amd64", "the apps run on amd64 (--platform names another, or any)"),
        (("[]", "not JSON"), "amd64", "the apps run on amd64 (--platform names another, or any)"),
    ],
)
def test_where_nodes_are_mixed_the_registry_is_asked_for_the_images_architectures(
    site: Site, tool: str, answers: tuple[str, str], runs_on: str | None, said: str
) -> None:
    image = f"{REGISTRY}/clickstream-consumer:{__version__}"
    for each in MIXED:
        site.node(each)
    site.machine.missing = set(INSPECTS) - {tool}
    commands = [each.format(image) for each in INSPECTS[tool]]
    # All apps have the same.
    patterns = [re.escape(each).replace("consumer", r"\w+") for each in commands]
    site.machine.answers = {f"^{each}$": text for each, text in zip(patterns, answers, strict=True)}
    finished = site.setup("--image-registry", REGISTRY)
    assert finished.status == 0, finished.error
    assert said in finished.output
    wanted = {"kubernetes.io/arch": runs_on} if runs_on else None
    assert site.cluster.values("clickstream-consumer").get("nodeSelector") == wanted
    asked = [each for each in site.machine.calls if each in commands]
    assert asked == commands[: 1 if answers[0].startswith('{"manifests') else 2]


def test_images_that_fit_none_of_the_mixed_nodes_are_refused(site: Site) -> None:
    for each in MIXED:
        site.node(each)
    site.machine.answers["inspect --raw"] = index("s390x")
    finished = site.setup("--image-registry", REGISTRY)
    assert finished.status == 1
    assert "nodes are amd64 and arm64, and the images are for s390x" in finished.error
    assert site.nothing_happened()


@pytest.mark.parametrize(
    ("architectures", "options"),
    [
        (("amd64",), ["--image-registry", REGISTRY]),
        (MIXED, ["--image-registry", REGISTRY, "--platform=any"]),
        (MIXED, []),
        (MIXED, ["--image-registry=localhost"]),
    ],
)
def test_a_registry_is_asked_only_where_it_matters(
    site: Site, architectures: tuple[str, ...], options: list[str]
) -> None:
    for each in architectures:
        site.node(each)
    assert site.setup(*options).status == 0
    assert [each for each in site.machine.calls if each.startswith(("docker", "skopeo", "crane"))] == []
