"""--build: the images of the apps that are installed are built, and brought where the cluster's nodes find them.

kind, k3d and minikube have nodes that pull nothing from this machine: each image goes to them as an archive, by their
own load command. Other clusters pull from the registry of --image-registry, to which the images are pushed.
"""

import hashlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clickstream_deploy.apps import APPS, LOCAL, ROOT
from clickstream_deploy.component import Component
from clickstream_deploy.errors import EndedError
from clickstream_deploy.explanations import indented
from clickstream_deploy.images import CONNECT, SEAWEEDFS, Build, Request, Step, prepare
from clickstream_deploy.kinds import NODE
from clickstream_deploy.objects import Manifest, at, label, name_of
from clickstream_deploy.session import Session

_SHOWN_LINES = 30
_SOURCES = (
    *("Dockerfile", "requirements*.lock", "deploy/image/**/*", "apps/*/**/*"),
    *("local/clickstream_local/jars.py", "local/clickstream_local/*-jars.lock"),
)


@dataclass(frozen=True)
class LocalCluster:
    """A cluster in containers or a virtual machine of this machine: kind, k3d or minikube, and its name."""

    program: str
    name: str

    def load(self, archives: Sequence[str]) -> tuple[str, ...]:
        """Return the command that puts the images of archives on all nodes."""
        return {
            "kind": ("kind", "load", "image-archive", *archives, "--name", self.name),
            "k3d": ("k3d", "image", "import", *archives, "--cluster", self.name),
            "minikube": ("minikube", "image", "load", *archives, "--profile", self.name),
        }[self.program]

    def __str__(self) -> str:
        """Return its name for messages."""
        return f"{self.program} cluster {self.name}"


_PAGES = {
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/",
    "k3d": "https://k3d.io/stable/#installation",
    "minikube": "https://minikube.sigs.k8s.io/docs/start/",
}


def local_cluster(context: str, nodes: Sequence[Manifest]) -> LocalCluster | None:
    """Recognize the cluster by its nodes, or by the name that the context has unless the user has changed it."""
    for node in nodes:
        profile = label(node, "minikube.k8s.io/name")
        if profile:
            return LocalCluster("minikube", profile)
        for program, pattern, text in (
            ("kind", "kind://[^/]*/([^/]+)/.*", str(at(node, "spec", "providerID") or "")),
            ("k3d", r"k3d-(.+)-(?:server|agent)-\d+", name_of(node)),
        ):
            found = re.fullmatch(pattern, text)
            if found:
                return LocalCluster(program, found[1])
    found = re.fullmatch("(kind|k3d)-(.+)", context)
    if found:
        return LocalCluster(found[1], found[2])
    return LocalCluster("minikube", "minikube") if context == "minikube" else None


class Images(Component):
    """The images, where --build asks for them."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.architectures: frozenset[str] = frozenset()
        """For which they are built; nothing without --build."""
        self.apps = [
            app.chart.name.removeprefix("clickstream-")
            for app in APPS
            if not app.option or app.option in self.options.parts
        ]
        if "archive" in self.options.parts:
            self.apps += [CONNECT] if self.options.archive_bucket else [SEAWEEDFS, CONNECT]
        self._local: LocalCluster | None = None
        self._build: Build | None = None

    def check(self) -> None:
        if not self.options.build:
            return
        pushed = self.options.image_registry != LOCAL
        nodes = self.cluster.seen_objects(NODE)
        if not pushed:
            self._local = local_cluster(self.cluster.api.context, nodes)
            self._check_local()
        given = {"REGISTRY": self.options.image_registry, "TAG": self.options.image_tag}
        request = Request.of({**os.environ, **given, **self._platforms(nodes)}, ["--push"] if pushed else [])
        self._build, warnings = prepare(self.session.programs, request)
        for warning in warnings:
            self.say(f"Images: {warning}")
        platforms = self._build.request.platforms or f"linux/{this_machine()}"
        self.architectures = frozenset(each.removeprefix("linux/") for each in platforms.split(","))
        there = architectures_of_nodes(nodes)
        # With --platform, nodes of that kind may only come when pods wait for them.
        if there and not self.options.platform and not self.architectures & set(there):
            raise EndedError(
                f"the images would be built for {' and '.join(sorted(self.architectures))}, and the cluster's nodes are"
                f" {' and '.join(there)}: PLATFORMS={','.join(f'linux/{each}' for each in there)} builds for them"
            )

    def install(self) -> None:
        build = self._build
        if build is None:
            return
        where = f"load them into {self._local}" if self._local else f"push them to {self.options.image_registry}"
        if self.options.dry_run:
            self.say(f"Would build {len(self.apps)} images with {build.builder} and {where}")
            return
        self.say(f"Building {len(self.apps)} images with {build.builder} on {build.base}")
        archives = []
        for app in self.apps:
            image = build.image(app)
            for step in build.steps(app, str(ROOT)):
                self._do(build.builder, step, image)
            if self._local:
                archives.append(str(self.session.work / f"{app}.tar"))
                self._do(build.builder, Step(_save(build.builder, image, archives[-1]), "save"), image)
            self.say(f"{image} is built{'' if self._local else ' and pushed'}")
        if self._local:
            self._do(self._local.program, Step(self._local.load(archives), "load"), "the images")
            self.say(f"The images are in {self._local}")

    def values(self) -> dict[str, object]:
        """Return the values of the releases: pods are replaced when what their images are made from has changed, and
        nodes pull again what has the same tag."""
        if self._build is None:
            return {}
        always = {} if self._local else {"image": {"pullPolicy": "Always"}}
        built_from = hash_of_sources(ROOT, self._build.request.rust_image)
        return {"podAnnotations": {"clickstream/built-from": built_from}, **always}

    def _check_local(self) -> None:
        local = self._local
        if local is None:
            raise EndedError(
                "--build: this cluster is neither kind's, k3d's nor minikube's, so its nodes pull from a registry: name"
                " one to which you may push with --image-registry"
            )
        if not self.session.programs.has(local.program):
            raise EndedError(
                f"--build: this is {local}, and there is no {local.program} on the PATH to load images with: install it"
                f" ({_PAGES[local.program]}), or name a registry with --image-registry"
            )
        if "," in os.environ.get("PLATFORMS", ""):
            raise EndedError(
                f"PLATFORMS={os.environ['PLATFORMS']}: the nodes of {local} have one architecture: name it alone, or"
                " none"
            )

    def _platforms(self, nodes: Sequence[Manifest]) -> dict[str, str]:
        """Return those of the nodes that the apps run on, where this machine's would not do."""
        there = architectures_of_nodes(nodes)
        wanted = [self.options.platform] if self.options.platform in ("amd64", "arm64") else there
        if os.environ.get("PLATFORMS") or len(wanted) != 1 or (self._local and wanted == [this_machine()]):
            return {}
        return {"PLATFORMS": f"linux/{wanted[0]}"}

    def _do(self, program: str, step: Step, image: str) -> None:
        """Run a step with progress and the time limit of --timeout; Ctrl+C ends it."""
        progress, limit_s = self.session.progress, self.options.timeout_s
        running = self.session.programs.start(*step.command)
        try:
            for _ in progress.looks(limit_s, every_s=0.2):
                done = running.done()
                if done is not None:
                    break
                progress.waiting(f"Waiting for {program} to {step.does or 'make room for'} {image}")
            else:
                raise EndedError(
                    f"{program} did not {step.does} {image} in {limit_s}s: --timeout sets how long it may take"
                )
        finally:
            running.stop()
        if step.does and done.status != 0:
            shown = "\n".join(done.output.rstrip().splitlines()[-_SHOWN_LINES:])
            raise EndedError(
                f"{program} did not {step.does} {image}: see above, then run setup.sh again",
                explanation=indented(shown),
            )


def this_machine() -> str:
    """Return this machine's architecture, as nodes call it."""
    name = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(name, name)


def architectures_of_nodes(nodes: Sequence[Manifest]) -> list[str]:
    """Return the architectures of the nodes, sorted."""
    return sorted({label(each, "kubernetes.io/arch") for each in nodes} - {""})


def _save(builder: str, image: str, archive: str) -> tuple[str, ...]:
    if builder == "docker":
        return ("docker", "save", "--output", archive, image)
    return (builder, "push", image, f"docker-archive:{archive}:{image}")


def hash_of_sources(root: Path, rust_image: str) -> str:
    """Return a hash of what the images are made from."""
    found = hashlib.sha256(rust_image.encode())
    for path in sorted(each for pattern in _SOURCES for each in root.glob(pattern)):
        parts = path.relative_to(root).parts
        if path.is_file() and "__pycache__" not in parts and parts[2:3] not in (("tests",), ("target",)):
            found.update(f"{'/'.join(parts)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]
