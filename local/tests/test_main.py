import re
import signal
import socket
from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_local.errors import ChildDied, LocalError, TopicsFailed
from clickstream_local.folder import locked
from clickstream_local.interruption import Interrupted, StopSignals
from clickstream_local.main import check_ports, main
from clickstream_local.parts import http_ports, public_ports
from clickstream_local.pipeline import AppCommand, app_commands, start, watch
from clickstream_local.ports import free_port
from clickstream_local.settings import LocalSettings
from clickstream_local.topics import clickstream_topics, create_missing


def settings(*argv: str, **environ: str) -> LocalSettings:
    return read_settings(LocalSettings, prog="test", description="", argv=argv, environ=environ)


def test_the_options_reach_the_apps_as_settings() -> None:
    chosen = settings("--rate", "50", "--window-size", "90s", "--users", "7", "--seed", "3", "--http-port", "9000")

    streams, producer, consumer = app_commands(chosen, {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"})

    assert streams.environ["WINDOW_SIZE"] == "90s"
    assert producer.environ["RATE"] == "50"
    assert producer.environ["USERS"] == "7"
    assert producer.environ["SEED"] == "3"
    assert producer.environ["KIND"] == "events"
    assert consumer.environ["DASHBOARD_LANGUAGE"] == "en"
    assert [each.environ["HTTP_PORT"] for each in (consumer, producer, streams)] == ["9000", "9001", "9002"]
    assert [each.foreground for each in (streams, producer, consumer)] == [False, False, True]


def test_the_producer_writes_web_logs_where_they_are_asked_for() -> None:
    for argv, environ in ((("--kind", "weblog"), {}), ((), {"KIND": "weblog"})):
        commands = app_commands(settings(*argv, **environ), {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"})
        assert [each.environ.get("KIND") for each in commands] == [None, "weblog", None]


def test_the_default_ports_are_the_documented_ones() -> None:
    assert http_ports(settings()) == {"consumer": 8080, "producer": 8081, "streams": 8082}
    assert http_ports(settings("--http-port", "0")) == {"consumer": 0, "producer": 0, "streams": 0}


def test_with_the_collector_there_are_a_shop_and_their_ports() -> None:
    chosen = settings("--collector", "--http-port", "9000")
    commands = {each.name: each for each in app_commands(chosen, {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"})}

    assert list(commands) == ["streams", "producer", "collector", "shop", "consumer"]
    assert commands["collector"].command[-1] == "clickstream_collector.main"
    assert commands["collector"].environ["HTTP_PORT"] == "9010"
    assert commands["collector"].environ["ADMIN_PORT"] == "9011"
    assert commands["shop"].environ["SHOP_PORT"] == "9012"
    assert commands["shop"].environ["COLLECTOR_URL"] == "http://localhost:9010"
    assert http_ports(chosen) == {"consumer": 9000, "producer": 9001, "streams": 9002, "collector": 9011}
    assert public_ports(settings("--collector")) == {"collector": 8090, "shop": 8092}
    assert public_ports(settings()) == {}


def test_only_this_machine_reaches_them_without_listen() -> None:
    def environs(*options: str) -> list[tuple[str, str]]:
        commands = app_commands(settings("--collector", *options), {"HTTP_HOST": "::", "HTTP_ALLOWED_HOSTS": "any"})
        return [(each.environ["HTTP_HOST"], each.environ["HTTP_ALLOWED_HOSTS"]) for each in commands]

    own = socket.gethostname().lower()
    assert environs() == [("127.0.0.1", "localhost")] * 5
    assert environs("--listen", "localhost") == [("127.0.0.1", "localhost")] * 5
    opened = environs("--listen", "0.0.0.0", "--http-allowed-hosts", "clicks.example")
    assert {host for host, _ in opened} == {"0.0.0.0"}
    assert all({"localhost", "clicks.example", own} <= set(names.split(",")) for _, names in opened)


def test_an_address_of_another_machine_ends_it_with_status_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["setup.sh", "--listen", "192.0.2.1", "--local-directory", str(tmp_path)])

    assert main() == 2
    error = capsys.readouterr().err
    assert "HTTP_HOST=192.0.2.1 (--listen): expected an address of this machine" in error
    assert error.count("\n") == 1


def test_at_rate_0_no_users_are_simulated() -> None:
    chosen = settings("--rate", "0")

    assert [each.name for each in app_commands(chosen, {})] == ["streams", "consumer"]
    assert http_ports(chosen) == {"consumer": 8080, "streams": 8082}


def test_a_collector_without_a_port_is_refused() -> None:
    with pytest.raises(SettingsError, match="COLLECTOR=true: .*HTTP_PORT=0"):
        settings("--collector", "--http-port", "0")


def test_the_ports_of_collector_and_shop_are_checked_like_the_others() -> None:
    first = free_port(13)
    with socket.create_server(("127.0.0.1", first + 12)):
        check_ports(settings("--http-port", str(first)), embedded=False)
        with pytest.raises(LocalError, match=rf"port {first + 12} \(the shop's\)"):
            check_ports(settings("--http-port", str(first), "--collector"), embedded=False)


def test_a_window_is_30_seconds_long_by_default() -> None:
    assert settings().window_size == 30_000


def test_a_group_id_of_the_environment_is_not_given_to_two_apps() -> None:
    commands = app_commands(settings(), {"GROUP_ID": "mine", "PATH": "/bin"})

    assert all("GROUP_ID" not in each.environ for each in commands)
    assert all(each.environ["PATH"] == "/bin" for each in commands)


def test_a_wrong_setting_ends_it_with_status_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["setup.sh", "--window-size", "5x"])

    assert main() == 2
    error = capsys.readouterr().err
    assert "WINDOW_SIZE=5x" in error
    assert error.count("\n") == 1


def test_fresh_with_another_kafka_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["setup.sh", "--fresh", "--local-directory", str(tmp_path)])
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092")

    assert main() == 2
    assert "elsewhere:9092" in capsys.readouterr().err


def test_the_topics_are_the_documented_ones() -> None:
    found = {topic.name: topic for topic in clickstream_topics("e", "m", "p", "d")}

    assert {name: topic.partitions for name, topic in found.items()} == {"e": 6, "m": 3, "p": 1, "d": 3, "web_logs": 3}
    assert found["e"].configs["retention.ms"] == "86400000"
    assert found["e"].configs["message.timestamp.after.max.ms"] == "60000"
    assert found["m"].configs["retention.ms"] == "604800000"
    assert found["p"].configs["max.message.bytes"] == found["d"].configs["max.message.bytes"] == "8388608"


def test_a_kafka_that_is_not_there_is_named() -> None:
    dead_address = f"127.0.0.1:{free_port()}"
    config = {"bootstrap_servers": [dead_address], "bootstrap_timeout_ms": 500}

    with pytest.raises(TopicsFailed, match=f"on {dead_address}: .*Check that Kafka runs there"):
        create_missing(config, clickstream_topics("e", "m", "p", "d"))


def test_a_folder_has_one_pipeline_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LocalError, match=r"already runs here \(pid \d+\)"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert (tmp_path / "lock").exists()


def test_a_signal_while_preparing_breaks_off() -> None:
    with StopSignals() as signals:
        with pytest.raises(Interrupted), signals.interrupting():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), signals.interrupting():
            pass

    assert signals.requested.is_set()


def test_a_signal_at_other_times_is_only_noted() -> None:
    with StopSignals() as signals:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)

        assert signals.requested.is_set()


def test_an_app_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = start(AppCommand("streams", ("/bin/sh", "-c", "echo no such topic; exit 3"), {}), tmp_path)
    with StopSignals() as signals, pytest.raises(ChildDied) as death:
        watch([child], signals.requested)

    assert re.search(r"streams ended \(exit status 3\).*streams\.log:\nno such topic$", str(death.value), re.DOTALL)


def test_a_producer_that_failed_is_not_taken_for_one_that_is_done(tmp_path: Path) -> None:
    child = start(AppCommand("producer", ("/bin/sh", "-c", "exit 1"), {}), tmp_path)
    with StopSignals() as signals, pytest.raises(ChildDied, match="exit status 1"):
        watch([child], signals.requested)
