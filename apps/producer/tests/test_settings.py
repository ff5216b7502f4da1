"""What the producer can be told."""

import pickle
from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_producer import kafka_client
from clickstream_producer.settings import ProducerSettings
from clickstream_producer.workers import process_count


def read(*argv: str, **environ: str) -> ProducerSettings:
    return read_settings(ProducerSettings, prog="clickstream-producer", description="", argv=argv, environ=environ)


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read()

    assert (settings.rate, settings.duration, settings.users, settings.seed) == (10.0, None, 100, None)
    assert settings.topic == "clickstream-events"


def test_flags_win_over_the_environment() -> None:
    settings = read("--rate", "0.5", "--duration", "5m", RATE="20", USERS="7", SEED="42")

    assert (settings.rate, settings.duration, settings.users, settings.seed) == (0.5, 300_000, 7, 42)


def test_web_logs_go_to_their_own_topic() -> None:
    assert read("--kind", "weblog", EVENTS_TOPIC="clicks").topic == "web_logs"
    assert read(EVENTS_TOPIC="clicks").topic == "clicks"


def test_access_logs_go_to_their_own_topic_and_a_file(tmp_path: Path) -> None:
    settings = read("--kind", "access-log", "--access-log-file", str(tmp_path / "access.log"), SCENARIO_IDS="5,6")
    assert settings.topic == "clickstream-access-logs"
    assert settings.access_log_file == tmp_path / "access.log"
    assert (settings.scenario_ids, read().scenario_ids) == ((5, 6), (1, 2, 3))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SCENARIO_IDS": "1,,2"}, "SCENARIO_IDS=1,,2: expected whole numbers from 1 on"),
        ({"ACCESS_LOG_FILE": "/nowhere/x"}, r"ACCESS_LOG_FILE=/nowhere/x: expected a file that can be written"),
        ({"ACCESS_LOG_FILE": "/dev/null"}, "ACCESS_LOG_FILE has no effect with KIND=events: expected KIND=access-log"),
    ],
)
def test_wrong_values_of_access_logs_are_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(**environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RATE", "0"), ("RATE", "-1"), ("RATE", "fast"), ("RATE", "nan"), ("USERS", "0"), ("SEED", "x"), ("KIND", "all")],
)
def test_a_wrong_value_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}={value}: expected"):
        read(**{name: value})


def test_the_settings_survive_the_way_to_another_process() -> None:
    settings = read(
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        KAFKA_SASL_USERNAME="producer",
        KAFKA_SASL_PASSWORD="secret",
    )

    copy = pickle.loads(pickle.dumps(settings))

    assert copy == settings
    assert copy.kafka.sasl_password.encode() == b"secret"


@pytest.mark.parametrize(("rate", "processes"), [(0.5, 1), (10, 1), (8_000, 1), (8_001, 2), (20_000, 3)])
def test_high_rates_are_shared_by_several_processes(rate: float, processes: int) -> None:
    assert process_count(rate) == processes


def test_without_fast_checksums_the_producer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_client.assert_fast_checksums()
    monkeypatch.setattr("kafka.record.util.crc32c_c", None)

    with pytest.raises(SettingsError, match="install it"):
        kafka_client.assert_fast_checksums()
