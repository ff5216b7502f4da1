"""What a registry says about an image, asked by docker's buildx, skopeo or crane, whichever is there."""

import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from clickstream_deploy.programs import Done

_TIMEOUT_S = 20
"""A registry may be out of reach."""

_BUILDX = ("docker", "buildx", "imagetools", "inspect")


class Machine(Protocol):
    """Programs that can be run."""

    def has(self, program: str) -> bool:
        """Whether it is on the PATH."""
        ...

    def run(self, *command: str, timeout_s: float | None = None) -> Done:
        """Run it to its end, or so long."""
        ...


def digest_of(machine: Machine, image: str) -> str:
    """Return the digest of a tag, for all its platforms; "" where it can't be found out."""
    for command in (
        (*_BUILDX, "--format", "{{.Manifest.Digest}}", image),
        ("skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", f"docker://{image}"),
        ("crane", "digest", image),
    ):
        found = _answer(machine, command).strip()
        if re.fullmatch("sha256:[0-9a-f]{64}", found):
            return found
    return ""


def architectures_of(machine: Machine, image: str) -> frozenset[str]:
    """Return the architectures for which there is the image, such as amd64; nothing where they can't be found out."""
    for manifest, config in (
        ((*_BUILDX, "--raw", image), (*_BUILDX, "--format", "{{json .Image}}", image)),
        (("skopeo", "inspect", "--raw", f"docker://{image}"), ("skopeo", "inspect", "--config", f"docker://{image}")),
        (("crane", "manifest", image), ("crane", "config", image)),
    ):
        # The manifest of one image says nothing about its architecture, its configuration does.
        found = _architectures(_answer(machine, manifest)) or _architectures(_answer(machine, config))
        if found:
            return found
    return frozenset()


def _architectures(text: str) -> frozenset[str]:
    try:
        document = json.loads(text)
        platforms: list[Any] = [each.get("platform", {}) for each in document.get("manifests", [])] or [document]
        # Attestations are listed as manifests for a system that is called unknown.
        return frozenset(each["architecture"] for each in platforms if each.get("os") == "linux")
    except (ValueError, AttributeError, KeyError):
        return frozenset()


def _answer(machine: Machine, command: Sequence[str]) -> str:
    done = machine.run(*command, timeout_s=_TIMEOUT_S) if machine.has(command[0]) else None
    return done.output if done is not None and done.status == 0 else ""
