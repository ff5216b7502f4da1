from pathlib import Path

from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_statistics.kafka_source import source_options


def options(**environ: str) -> dict[str, str]:
    kafka = read_settings(KafkaSettings, prog="", description="", argv=[], environ=environ)
    return source_options(kafka, "results", skip_lost=False)


def test_only_what_is_committed_is_read_from_the_beginning() -> None:
    found = options(KAFKA_BOOTSTRAP_SERVERS="a:1, b:2")
    assert found["kafka.bootstrap.servers"] == "a:1,b:2"
    assert found["kafka.isolation.level"] == "read_committed"
    assert (found["subscribe"], found["startingOffsets"], found["failOnDataLoss"]) == ("results", "earliest", "true")
    assert found["groupIdPrefix"] == "clickstream-statistics"


def test_a_password_may_have_quotes(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text('a"b\\c\n')
    found = options(
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        KAFKA_SASL_USERNAME="me",
        KAFKA_SASL_PASSWORD_FILE=str(password),
    )
    assert found["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="me" password="a\\"b\\\\c";'
    )
