"""Builds the apps' images from the Dockerfile, with the first of docker, podman and buildah that works here.

deploy/images.sh runs this module, which needs nothing beyond Python, and setup.sh --build takes the same steps. All
images are built on one base, the digest in deploy/image/base. The Dockerfiles name only its tag: a builder without a
registry finds nothing by a digest.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from clickstream_deploy.apps import LOCAL, ROOT, version
from clickstream_deploy.errors import EndedError, refused
from clickstream_deploy.programs import Programs
from clickstream_deploy.registry import Machine, digest_of

USAGE = """\
Usage: make images [VARIABLE=value ...] [ARGS="option ..."]     (or deploy/images.sh [option ...])
       make pin-image                                           (or deploy/images.sh --pin)
       deploy/images.sh --list                                  prints the apps' names

Builds REGISTRY/clickstream-APP:TAG of each app in apps/, and of what the archive needs beside its app: connect (Kafka
Connect with its sink) and seaweedfs, from deploy/image. Options go to each build, such as --no-cache. With --push the
images go to the registry, for amd64 and arm64 where the builder can build both; otherwise nothing is pushed.

All are built on the same base image, the tag and digest in deploy/image/base. Where that can't be pulled, the tag as it
is on this machine is taken, and a line says so; --push refuses that. With --pin nothing is built: docker's buildx,
skopeo or crane finds out the digest that the tag has now, and it is written there, to be committed.

  REGISTRY      where the images will live (localhost); 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team
  TAG           their tag (the version in apps/core)
  PYTHON_IMAGE  another base image, best with its digest, NAME:TAG@sha256:...; has to bring python and pip
  RUST_IMAGE    another image with Rust than that in deploy/image/rust, to build streams' native counting, or none;
                where the usual one can't be pulled, streams counts in Python, and a line says so; --push refuses that
  KAFKA_IMAGE   another Strimzi's image of Kafka for connect, quay.io/strimzi/kafka:STRIMZI-kafka-KAFKA; where the
                usual one can't be pulled, connect is left out, and a line says so; --push refuses that
  BUILDER       docker, podman or buildah (the first that works)
  PLATFORMS     linux/amd64, linux/arm64, or both with a comma (this machine's; with --push both where possible)
  REVISION      label: the commit (git's, with -dirty when files differ from it)
  SOURCE        label: where the source is (git's origin)
"""
BUILDERS = ("docker", "podman", "buildah")
BOTH = "linux/amd64,linux/arm64"
NONE = "none"

_BASE = ROOT / "deploy" / "image" / "base"
_RUST = ROOT / "deploy" / "image" / "rust"
_FURTHER = ROOT / "deploy" / "image"
CONNECT, SEAWEEDFS, STATISTICS = "connect", "seaweedfs", "statistics"
WITH_RUST = "streams"
"""The app that counts natively in an image that was built with Rust."""
FURTHER = (SEAWEEDFS, CONNECT)
"""What the archive needs beside its app."""
_OWN_DOCKERFILE = (*FURTHER, STATISTICS)
"""Each has a Dockerfile in a folder of that name in deploy/image; the statistics are an app that needs Java beside."""
_DOCKERFILES = (
    ROOT / "Dockerfile",
    ROOT / "deploy" / "lambda" / "Dockerfile",
    *(_FURTHER / each / "Dockerfile" for each in _OWN_DOCKERFILE),
)
_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_ALLOWED = {
    "REGISTRY": (
        rf"{_PART}(:[0-9]+)?(/{_PART})*",
        "a registry and perhaps a path, in lower case and without https://",
    ),
    "TAG": (
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "letters, digits and _ . -, at most 128, not beginning with . or -",
    ),
    "PLATFORMS": (
        r"(linux/(amd64|arm64)(,linux/(amd64|arm64))?)?",
        "linux/amd64, linux/arm64, or both with a comma",
    ),
    "BUILDER": ("(docker|podman|buildah)?", "docker, podman or buildah"),
}
"""What the builders would refuse later, with a longer explanation."""


def apps() -> list[str]:
    """Return the names of the apps: packages that have a command. The others are libraries in the apps' images."""
    projects = sorted(ROOT.glob("apps/*/pyproject.toml"))
    return [each.parent.name for each in projects if "[project.scripts]" in each.read_text("utf-8").splitlines()]


@dataclass(frozen=True)
class Request:
    """What is built; texts that are "" are found out. `rust_image` is "none" for a build without."""

    registry: str = LOCAL
    tag: str = ""
    platforms: str = ""
    builder: str = ""
    python_image: str = ""
    rust_image: str = ""
    kafka_image: str = ""
    revision: str = ""
    source: str = ""
    push: bool = False
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, variables: Mapping[str, str], arguments: Sequence[str] = ()) -> "Request":
        """Read the environment and the options. Raises EndedError for what is not allowed."""
        names = ("REGISTRY", "TAG", "PLATFORMS", "BUILDER", "REVISION", "SOURCE")
        images = ("PYTHON_IMAGE", "RUST_IMAGE", "KAFKA_IMAGE")
        given = {each.lower(): variables[each] for each in (*names, *images) if variables.get(each)}
        given.setdefault("tag", version())
        options = tuple(each for each in arguments if each != "--push")
        request = cls(**given, push="--push" in arguments, options=options)
        for name, (pattern, expected) in _ALLOWED.items():
            value = getattr(request, name.lower())
            if re.fullmatch(pattern, value) is None:
                raise refused(f"{name}={value}: expected {expected}")
        if request.push and request.registry == LOCAL:
            raise refused("--push needs a REGISTRY to push to")
        return request


@dataclass(frozen=True)
class Step:
    """A command of a build, and what it does, for its error; "" when it may fail."""

    command: tuple[str, ...]
    does: str = ""


@dataclass(frozen=True)
class Build:
    """How the images are built, by a builder that works, on a base that is there."""

    request: Request
    builder: str
    base: str

    @property
    def _is_list(self) -> bool:
        """podman and buildah keep an image of several platforms as a list of images; docker pushes it at once."""
        return "," in self.request.platforms and self.builder != "docker"

    def image(self, app: str) -> str:
        """Return the image's name."""
        return f"{self.request.registry}/clickstream-{app}:{self.request.tag}"

    def push(self, app: str) -> tuple[str, ...]:
        """Return the command that pushes the image."""
        image = self.image(app)
        if self._is_list:
            return (self.builder, "manifest", "push", "--all", image, f"docker://{image}")
        return (self.builder, "push", image)

    def steps(self, app: str, context: str) -> Iterator[Step]:
        """Return what builds the app's image from the folder, and pushes it if that was asked for."""
        image, request = self.image(app), self.request
        if self._is_list:
            # A list of that name would be added to, and an image be in the way of one.
            yield Step((self.builder, "manifest", "rm", image))
            yield Step((self.builder, "rmi", image))
        build = {
            "docker": ("docker", "buildx", "build", "--push") if request.push else ("docker", "build"),
            "podman": ("podman", "build"),
            "buildah": ("buildah", "bud", "--layers"),  # without --layers it forgets every step
        }[self.builder]
        platforms = ("--platform", request.platforms) if request.platforms else ()
        values = {
            "PYTHON_IMAGE": self.base,
            "VERSION": version(),
            "REVISION": request.revision,
            "SOURCE": request.source,
            **({} if app in _OWN_DOCKERFILE else {"APP": app}),
            **({"RUST_IMAGE": request.rust_image} if app == WITH_RUST and request.rust_image != NONE else {}),
            **({"KAFKA_IMAGE": request.kafka_image} if app == CONNECT and request.kafka_image else {}),
        }
        file = ("--file", f"{context}/deploy/image/{app}/Dockerfile") if app in _OWN_DOCKERFILE else ()
        arguments = [part for name, value in values.items() for part in ("--build-arg", f"{name}={value}")]
        name = "--manifest" if self._is_list else "--tag"
        yield Step((*build, *platforms, *arguments, *file, name, image, *request.options, context), "build")
        if request.push and self.builder != "docker":
            yield Step(self.push(app), "push")


def choose_builder(machine: Machine, wanted: str) -> str:
    """Return the first builder that works. Raises EndedError with the reason of each that doesn't."""
    reasons = ""
    for candidate in [wanted] if wanted else BUILDERS:
        if not machine.has(candidate):
            reasons += f"\n  {candidate} is not installed"
            continue
        # A docker client without its daemon can print its version.
        asked = ("version", "--format", "{{.Server.Version}}") if candidate == "docker" else ("info",)
        done = machine.run(candidate, *asked)
        if done.status == 0:
            return candidate
        reasons += f"\n  {candidate} does not work: {_last_line(done.error)}"
    if wanted:
        raise EndedError(f"BUILDER={wanted} can't build images here; without BUILDER, any that works is taken{reasons}")
    raise EndedError(f"nothing here can build images; start docker's daemon, or install podman or buildah{reasons}")


def prepare(machine: Machine, request: Request) -> tuple[Build, list[str]]:
    """Return how the images are built here, and warnings. Raises EndedError when they can't be."""
    builder, warnings = choose_builder(machine, request.builder), []
    platforms = request.platforms
    if request.push and not platforms:
        platforms = both_platforms(machine, builder)
        if not platforms:
            warnings.append(
                f"for this machine's architecture only: {builder} does not say that it can build for amd64 and arm64"
                f" here; PLATFORMS={BOTH} makes it try"
            )
    base, of_base = _choose_base(machine, builder, request)
    rust, of_rust = _choose_rust(machine, builder, request)
    found = replace(
        request,
        platforms=platforms,
        rust_image=rust,
        revision=request.revision or _git(machine, "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty")
        or "unknown",
        source=request.source or _address(_git(machine, "remote", "get-url", "origin")),
    )  # fmt: skip
    return Build(found, builder, base), [*warnings, *of_base, *of_rust]


def both_platforms(machine: Machine, builder: str) -> str:
    """Return amd64 and arm64 if the builder says that it can build both here, "" otherwise."""
    said = ""
    if builder == "docker":
        said = machine.run("docker", "buildx", "inspect", "--bootstrap").output
        # Without containerd's image store the driver "docker" builds for one platform at a time.
        if re.search(r"Driver: +docker$", said, re.MULTILINE):
            status = machine.run("docker", "info", "--format", "{{.DriverStatus}}").output
            said = said if "containerd" in status else ""
    elif builder == "podman":
        said = machine.run("podman", "info", "--format", "linux/{{.Host.Arch}} {{.Host.EmulatedArchitectures}}").output
    return BOTH if all(each in said for each in BOTH.split(",")) else ""


def _choose_base(machine: Machine, builder: str, request: Request) -> tuple[str, list[str]]:
    given = request.python_image
    if "@sha256:" in given:
        return given, []
    if given:
        digest = digest_of(machine, given)
        if digest:
            return f"{given}@{digest}", []
        warning = (
            f"the digest of {given} can't be found out here (by docker buildx, skopeo or crane), so what the tag means"
            f" today is taken; PYTHON_IMAGE={given}@sha256:... pins it"
        )
        return given, [warning]
    pinned = _BASE.read_text("utf-8").strip()
    tag, why = pinned.partition("@")[0], _why_not_there(machine, builder, pinned)
    if not why:
        return pinned, []
    if request.push:
        raise EndedError(
            f"{pinned} can't be pulled here ({why}), and images that are pushed are built on nothing else;"
            " PYTHON_IMAGE=NAME:TAG@sha256:... names a mirror's"
        )
    return tag, [f"{pinned} can't be pulled here ({why}), so the {tag} that is here is taken, whatever it holds"]


def _choose_rust(machine: Machine, builder: str, request: Request) -> tuple[str, list[str]]:
    image = request.rust_image or _RUST.read_text("utf-8").strip()
    why = "" if image == NONE else _why_not_there(machine, builder, image)
    if why and (request.push or request.rust_image):
        raise EndedError(
            f"{image} can't be pulled here ({why}), with which clickstream-{WITH_RUST} is built; RUST_IMAGE={NONE}"
            " builds it without: it counts in Python then"
        )
    if why:
        return NONE, [f"clickstream-{WITH_RUST} counts in Python: {image} can't be pulled here ({why})"]
    return image, []


def _why_not_there(machine: Machine, builder: str, image: str) -> str:
    """Pull the image unless it is here; return why that can't be done, "" when it is here now."""
    inspect = ("inspect", "--type", "image") if builder == "buildah" else ("image", "inspect")
    if machine.run(builder, *inspect, image).status == 0:
        return ""
    pulled = machine.run(builder, "pull", image)
    # A builder says all that it tried to do, and at the end why it could not.
    return "" if pulled.status == 0 else ": ".join(_last_line(pulled.error).split(": ")[-2:])


def _can_connect(machine: Machine, build: Build) -> bool:
    """Return whether Kafka Connect's base is there. Raises EndedError when it has to be."""
    text = (_FURTHER / CONNECT / "Dockerfile").read_text("utf-8")
    kafka = build.request.kafka_image or re.findall("^ARG KAFKA_IMAGE=(.+)", text, re.MULTILINE)[0]
    why = _why_not_there(machine, build.builder, kafka)
    if why and (build.request.push or build.request.kafka_image):
        raise EndedError(f"{kafka} can't be pulled here ({why}), on which clickstream-connect is built")
    if why:
        text = f"images.sh: clickstream-connect, for the archive, is left out: {kafka} can't be pulled here ({why})"
        print(text, file=sys.stderr, flush=True)
    return not why


def _pin(machine: Machine, given: str) -> str:
    """Write the digest that the base image's tag has now; return the line that says so."""
    tag = (given or _BASE.read_text("utf-8").strip()).partition("@")[0]
    digest = digest_of(machine, tag)
    if not digest:
        raise EndedError(
            f"the digest of {tag} can't be found out here: it needs docker with buildx, skopeo or crane, and the"
            " registry"
        )
    for file in _DOCKERFILES:
        text = re.sub("^ARG PYTHON_IMAGE=.*", f"ARG PYTHON_IMAGE={tag}", file.read_text("utf-8"), flags=re.MULTILINE)
        file.write_text(text, "utf-8")
    _BASE.write_text(f"{tag}@{digest}\n", "utf-8")
    return f"Pinned {tag}@{digest} in {_BASE.relative_to(ROOT)}: see git diff, and commit it"


def _git(machine: Machine, *arguments: str) -> str:
    done = machine.run("git", "-C", str(ROOT), *arguments) if machine.has("git") else None
    return done.output.strip() if done is not None and done.status == 0 else ""


def _address(origin: str) -> str:
    """Return git's origin as an address that a reader can open. A path of this machine is none, and credentials stay
    here."""
    address = re.sub(r"^(ssh://)?git@([^:/]+)[:/]", r"https://\2/", re.sub(r"\.git/?$", "", origin))
    return re.sub(r"^(https?://)([^/@]*@)?", r"\1", address) if re.match("https?://", address) else ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _make(machine: Machine, build: Build) -> None:
    """Build all images while the builder's output is shown, and say what there is then."""
    began, request = time.monotonic(), build.request
    print(f"On {build.base}{f', for {request.platforms}' if request.platforms else ''}", flush=True)
    wanted = [*apps(), *(each for each in FURTHER if each != CONNECT or _can_connect(machine, build))]
    names = {app: build.image(app) for app in wanted}
    for app, image in names.items():
        print(f"Building {image} with {build.builder}", flush=True)
        for step in build.steps(app, "."):
            shown = None if step.does else subprocess.DEVNULL
            done = subprocess.run(
                step.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, check=False
            )
            if step.does and done.returncode != 0:
                raise EndedError(f"{build.builder} did not {step.does} {image}: the lines above say why")
    pushed = " and pushed" if request.push else ""
    print(f"\nBuilt{pushed} with {build.builder} in {time.monotonic() - began:.0f} s:")
    for image in names.values():
        # A line for each name of the same image
        sizes = "" if request.push else Programs().run(build.builder, "images", "--format", "{{.Size}}", image).output
        print(f"  {image:60} {sizes.partition(chr(10))[0]}")
    if not request.push and request.registry != LOCAL:
        print("\nSend them to the registry, or build with --push:")
        for app in names:
            print(f"  {' '.join(build.push(app))}")


def main(arguments: Sequence[str]) -> int:
    """Return the exit status."""
    machine = Programs()
    try:
        match arguments:
            case ["-h" | "--help", *_]:
                print(USAGE, end="")
            case ["--list", *_]:
                print("\n".join(apps()))
            case ["--pin", *_]:
                print(_pin(machine, os.environ.get("PYTHON_IMAGE", "")))
            case _:
                build, warnings = prepare(machine, Request.of(os.environ, arguments))
                for warning in warnings:
                    print(f"images.sh: {warning}", file=sys.stderr, flush=True)
                _make(machine, build)
    except EndedError as error:
        print(f"images.sh: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
