"""What deploy/image/requirements.py says that an app's image needs."""

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "deploy" / "image" / "requirements.py"


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    """Three packages: `shop` needs `kafka` with one of its extras, which needs `core`."""
    write(tmp_path / "core", ["msgspec>=0.20"])
    write(
        tmp_path / "kafka",
        ["clickstream-core", "cramjam>=2.9"],
        fast='["crc32c>=2.7"]',
        streams='["clickstream-kafka[fast]", "kstreams"]',
    )
    write(tmp_path / "shop", ["clickstream-core", "clickstream-kafka[streams]", "rich>=14"])
    write(tmp_path / "page", ["clickstream-kafka"])
    return tmp_path


def write(folder: Path, dependencies: list[str], **extras: str) -> None:
    folder.mkdir()
    lines = ["[project]", f"dependencies = {dependencies}", "[project.optional-dependencies]"]
    lines += [f"{name} = {wanted}" for name, wanted in extras.items()]
    (folder / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")


def printed(*arguments: object) -> list[str]:
    command = [sys.executable, str(_SCRIPT), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_own_packages_are_followed_with_the_extras_that_are_asked_for(apps: Path) -> None:
    assert printed(apps / "shop") == ["msgspec>=0.20", "cramjam>=2.9", "crc32c>=2.7", "kstreams", "rich>=14"]


def test_an_extra_that_is_not_asked_for_is_left_out(apps: Path) -> None:
    assert printed(apps / "page") == ["msgspec>=0.20", "cramjam>=2.9"]


def test_the_folders_of_own_packages_are_named_once(apps: Path) -> None:
    assert printed("--own", apps / "shop") == [str(apps / each) for each in ("shop", "core", "kafka")]


@pytest.mark.parametrize("app", ["producer", "streams", "consumer", "collector"])
def test_every_app_needs_the_core_and_one_kafka_client(app: str) -> None:
    folder = _SCRIPT.parents[2] / "apps" / app
    names = [each.partition("[")[0].partition(">")[0] for each in printed(folder)]
    assert ("aiokafka" in names) != ("kafka-python" in names)
    assert Path(printed("--own", folder)[0]) == folder
    assert {Path(each).name for each in printed("--own", folder)} >= {app, "core", "kafka"}
