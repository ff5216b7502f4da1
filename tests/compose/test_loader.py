"""compose.yaml passes the loader of `docker compose`, compose-go, for each profile. It needs Go, and its modules."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kit.composed import COMPOSE, EXAMPLE, PROFILES, services
from kit.inventory import ROOT

_SOURCE = Path(__file__).parent
_FIRST_BUILD_S = 300


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        pytest.skip("there is no go, in which compose-go is written")
    program = tmp_path_factory.mktemp("loader") / "load"
    built = subprocess.run(
        [go, "build", "-o", program, "."],
        cwd=_SOURCE,
        capture_output=True,
        text=True,
        timeout=_FIRST_BUILD_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return program


def load(loader: Path, *profiles: str, file: Path = COMPOSE, environment: Path = EXAMPLE) -> dict[str, Any]:
    command: list[str | Path] = [loader, file, environment, *profiles]
    environ = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    project: dict[str, Any] = json.loads(done.stdout)
    return project


@pytest.mark.parametrize("profile", [None, "pipeline", *PROFILES])
def test_each_profile_loads_with_its_services(loader: Path, profile: str | None) -> None:
    loaded = load(loader, *([profile] if profile else []))["services"]
    assert loaded.keys() == {
        name for name, service in services().items() if "profiles" not in service or profile in service["profiles"]
    }
    for service in loaded.values():
        assert service.get("depends_on", {}).keys() <= loaded.keys()
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}


def test_all_profiles_load_together_and_without_a_file_of_settings(loader: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    loaded = load(loader, *PROFILES, environment=empty)["services"]
    assert loaded.keys() == services().keys()
    assert loaded["streams"]["environment"]["WINDOW_SIZE"] == "30s"
    assert loaded["mariadb"]["environment"]["MARIADB_PASSWORD"] == ""


def test_users_values_reach_the_containers(loader: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "env"
    chosen.write_text("KAFKA_PORT=9192\nWINDOW_SIZE=10s\nTAG=0.2.0\nREGISTRY=ghcr.io/someone\n")
    loaded = load(loader, environment=chosen)["services"]
    assert loaded["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].endswith("HOST://localhost:9192")
    assert loaded["kafka"]["ports"][0]["published"] == "9192"
    assert loaded["streams"]["environment"]["WINDOW_SIZE"] == "10s"
    assert loaded["streams"]["image"] == "ghcr.io/someone/clickstream-streams:0.2.0"


def test_the_loader_refuses_what_docker_compose_would(loader: Path, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text((ROOT / "compose.yaml").read_text("utf-8").replace("healthcheck:", "healthchek:"))
    with pytest.raises(AssertionError, match="healthchek"):
        load(loader, file=file)
