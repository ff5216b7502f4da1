"""kustomize, wherever it is: inside kubectl, on the PATH, or built from its Go module into a folder of tools."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

Kustomize = tuple[str | Path, ...]
"""The command that builds the directory given after it."""

_MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"


class KustomizeMissing(Exception):
    """There is no kustomize, and it can't be built; the message says what is missing."""


def find_kustomize(tools: Path) -> Kustomize:
    """Return the command; what has to be built is kept in `tools`. Raises KustomizeMissing."""
    if kubectl := shutil.which("kubectl"):
        return (kubectl, "kustomize")
    if kustomize := shutil.which("kustomize"):
        return (kustomize, "build")
    built = tools / "kustomize"
    if not built.exists():
        go = shutil.which("go")
        if go is None:
            raise KustomizeMissing("there is no kubectl or kustomize here, and no go to build kustomize with")
        environ = {**os.environ, "GOBIN": str(tools.resolve())}
        subprocess.run([go, "install", _MODULE], check=True, env=environ)
    return (built, "build")


@cache
def build(kustomize: Kustomize, directory: Path) -> str:
    """The manifests of a kustomization, built once. Raises AssertionError with kustomize's message."""
    ran = subprocess.run([*kustomize, directory], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"kustomize build {directory}: {ran.stderr}"
    return ran.stdout
