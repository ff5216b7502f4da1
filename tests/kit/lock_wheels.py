"""Writes requirements-wheels.json: the wheels that the index has of each package in the lock files. For `make lock`.

The lock files hold hashes, which don't say what a file is for. uv knows each locked file's name; kept are the tags of
wheels for a Python, system and processor that we support, no addresses. tests/test_lock_files.py checks them.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
LOCKS = sorted(
    [*_ROOT.glob("requirements*.lock"), _ROOT / "deploy/requirements.lock", *_ROOT.glob("deploy/*/requirements.lock")]
)
WHEELS = _ROOT / "requirements-wheels.json"

_SUPPORTED = re.compile(
    r"(py\d|cp31[1-4]-|cp3\d+-abi3).*-(any|.*manylinux.*(x86_64|aarch64).*|macosx.*(arm64|universal2))"
)


def locked_wheels(uv: str, lock: Path) -> dict[str, list[str]]:
    """Return the tags of each package's locked wheels, by name==version."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--no-deps", "--python-version=3.11", str(lock)]
    done = subprocess.run([*command, "--format=pylock.toml"], capture_output=True, text=True, check=True)
    hashes = set(re.findall("--hash=sha256:(\\w+)", lock.read_text(encoding="utf-8")))
    return {
        f"{package['name']}=={package['version']}": sorted(
            tags
            for wheel in package.get("wheels", [])
            if wheel["hashes"]["sha256"] in hashes and _SUPPORTED.fullmatch(tags := _tags(wheel["url"]))
        )
        for package in tomllib.loads(done.stdout)["packages"]
    }


def _tags(address: str) -> str:
    """Return Python, ABI and platform of a wheel, the last three parts of its file's name."""
    return "-".join(address.rsplit("/", 1)[-1].removesuffix(".whl").split("-")[-3:])


def main() -> None:
    """Take the name of uv's command."""
    found: dict[str, list[str]] = {}
    for lock in LOCKS:
        found |= locked_wheels(sys.argv[1], lock)
    WHEELS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
