"""Every locked package can be installed from wheels on every Python and system that README promises.

requirements-wheels.json says which wheels there are (kit/lock_wheels.py). bench/requirements.lock is left out: it has
the peers of the benchmarks, and not all of them run everywhere.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms, parse_tag

from kit.lock_wheels import LOCKS, WHEELS

ROOT = Path(__file__).parents[1]
PYTHONS = [(3, 11), (3, 12), (3, 13), (3, 14)]
OLDEST_GLIBC = (2, 28)
OLDEST_MACOS = (11, 0)
OLDEST_MACOS_OF_EXTRA_APPS = (13, 0)
"""That of PyArrow, SeaweedFS and RE2, and so of the tests."""
EXTRA_LOCKS = {"requirements-archive.lock", "requirements-scenarios.lock", "requirements-statistics.lock"}
PACKED_HERE = {"pyspark"}
"""Has no wheels: files for every system, which setuptools packs without a compiler."""
SYSTEMS = ["Linux x86_64", "Linux aarch64", "macOS arm64"]

Wheels = Mapping[str, Sequence[str]]


@pytest.fixture(scope="module")
def wheels() -> Wheels:
    found: Wheels = json.loads(WHEELS.read_text(encoding="utf-8"))
    return found


def locked(text: str) -> list[Requirement]:
    """Return what a lock file's text asks for, without the hashes."""
    return [Requirement(re.sub(r"\s*\\$", "", line)) for line in text.splitlines() if re.match(r"\w", line)]


def key(package: Requirement) -> str:
    return f"{package.name}{package.specifier}"


def platforms(system: str, oldest_macos: tuple[int, int]) -> Iterator[str]:
    machine = system.split()[1]
    if machine == "arm64":
        yield from mac_platforms(oldest_macos, machine)
        return
    yield from (f"manylinux_{OLDEST_GLIBC[0]}_{minor}_{machine}" for minor in range(OLDEST_GLIBC[1], 4, -1))
    yield from (f"manylinux{year}_{machine}" for year in ("2014", "2010", "1"))


def fitting(python: tuple[int, int], system: str, oldest_macos: tuple[int, int]) -> set[Tag]:
    """Return the tags of the wheels that pip takes there."""
    interpreter, fit = f"cp{python[0]}{python[1]}", list(platforms(system, oldest_macos))
    return {
        *cpython_tags(python, abis=[interpreter], platforms=fit),
        *compatible_tags(python, interpreter=interpreter, platforms=fit),
    }


def environment(python: tuple[int, int], system: str) -> dict[str, str]:
    """Return what the markers of a lock file can ask for."""
    version, (name, machine) = f"{python[0]}.{python[1]}", system.split()
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": {"macOS": "Darwin"}.get(name, name),
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": {"macOS": "darwin"}.get(name, name.lower()),
    }


def without_wheel(
    packages: Sequence[Requirement], wheels: Wheels, oldest_macos: tuple[int, int] = OLDEST_MACOS
) -> dict[str, list[str]]:
    """Return, for each Python and system that has some, the packages asked for there that have no wheel that fits."""
    found = {}
    for python, system in product(PYTHONS, SYSTEMS):
        tags, here = fitting(python, system, oldest_macos), environment(python, system)
        found[f"Python {python[0]}.{python[1]} on {system}"] = [
            key(package)
            for package in packages
            if (package.marker is None or package.marker.evaluate(here))
            and not any(tags & parse_tag(wheel) for wheel in wheels.get(key(package), ()))
        ]
    return {where: packages for where, packages in found.items() if packages}


def test_all_lock_files_are_looked_at() -> None:
    """All that `make lock` writes."""
    written = set(re.findall(r" -o (\S+\.lock)", (ROOT / "Makefile").read_text(encoding="utf-8")))
    assert {lock.relative_to(ROOT).as_posix() for lock in LOCKS} == written - {"bench/requirements.lock"} != set()


def test_the_wheels_of_exactly_the_locked_packages_are_known(wheels: Wheels) -> None:
    """Else a lock file was changed by hand: `make lock` writes both."""
    assert set(wheels) == {key(package) for lock in LOCKS for package in locked(lock.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_locked_package_has_a_wheel_everywhere(lock: Path, wheels: Wheels) -> None:
    packages = [each for each in locked(lock.read_text(encoding="utf-8")) if each.name not in PACKED_HERE]
    assert packages
    oldest_macos = OLDEST_MACOS_OF_EXTRA_APPS if lock.name in EXTRA_LOCKS else OLDEST_MACOS
    assert without_wheel(packages, wheels, oldest_macos) == {}


def test_a_package_without_a_wheel_for_one_of_them_is_named() -> None:
    """datasketches 5.2.0, which was locked once, has wheels up to Python 3.13."""
    lock = "datasketches==5.2.0 \\\n    --hash=sha256:00\nnumpy==2.4.6 ; python_full_version < '3.12' \\\n"
    built = [
        f"cp3{minor}-cp3{minor}-{platform}"
        for minor in (11, 12, 13)
        for platform in ("macosx_11_0_arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64", "manylinux2014_x86_64")
    ]
    wheels = {"datasketches==5.2.0": built, "numpy==2.4.6": ["cp311-cp311-manylinux_2_27_x86_64"]}
    assert without_wheel(locked(lock), wheels) == {
        "Python 3.11 on Linux aarch64": ["numpy==2.4.6"],
        "Python 3.11 on macOS arm64": ["numpy==2.4.6"],
        "Python 3.14 on Linux x86_64": ["datasketches==5.2.0"],
        "Python 3.14 on Linux aarch64": ["datasketches==5.2.0"],
        "Python 3.14 on macOS arm64": ["datasketches==5.2.0"],
    }


def test_the_oldest_python_is_the_one_that_the_packages_ask_for() -> None:
    projects = [ROOT / "pyproject.toml", ROOT / "local/pyproject.toml", *ROOT.glob("apps/*/pyproject.toml")]
    projects += ROOT.glob("examples/*/pyproject.toml")
    for each in projects:
        project = tomllib.loads(each.read_text(encoding="utf-8"))["project"]
        assert project["requires-python"] == f">={PYTHONS[0][0]}.{PYTHONS[0][1]}"


def test_no_lock_file_has_an_address() -> None:
    found = [each for each in ROOT.glob("**/*.lock") if not {".venv", ".local", "target"} & set(each.parts)]
    named = {each.relative_to(ROOT).as_posix() for each in found if not each.parts[len(ROOT.parts)].startswith(".")}
    assert {"requirements.lock", "apps/native/crates.lock", "bench/rust/crates.lock"} <= named
    for lock in named - {"apps/native/Cargo.lock", "bench/rust/Cargo.lock"}:  # made of crates.lock, and not committed
        assert re.search("https?://", (ROOT / lock).read_text(encoding="utf-8")) is None, lock
