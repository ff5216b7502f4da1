"""The Kafka settings, for both client libraries."""

from inspect import signature
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kstreams.backends.kafka import Kafka

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings, TopicSettings

SCRAM = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "clickstream",
    "KAFKA_SASL_PASSWORD": "secret",
}


def read(**environ: str) -> KafkaSettings:
    return read_settings(KafkaSettings, prog="app", description="", argv=[], environ=environ)


def test_the_default_is_a_broker_on_this_machine_in_plaintext() -> None:
    config = {"bootstrap_servers": ["localhost:9092"], "security_protocol": "PLAINTEXT"}
    assert read().kafka_python_config() == read().aiokafka_config() == config


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        ("kafka:9092", ("kafka:9092",)),
        ("a-1.b_c.svc:9092, 10.0.0.1:65535", ("a-1.b_c.svc:9092", "10.0.0.1:65535")),
        ("[::1]:9092", ("[::1]:9092",)),
    ],
)
def test_bootstrap_servers_are_hosts_with_ports(value: str, servers: tuple[str, ...]) -> None:
    assert read(KAFKA_BOOTSTRAP_SERVERS=value).bootstrap_servers == servers


@pytest.mark.parametrize(
    "value", ["kafka", "kafka:", ":9092", "a:9092,", "PLAINTEXT://a:9092", "a b:1", "a:0", "a:65536"]
)
def test_other_bootstrap_servers_are_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^KAFKA_BOOTSTRAP_SERVERS=.*: expected host:port"):
        read(KAFKA_BOOTSTRAP_SERVERS=value)


def test_sasl_reaches_both_libraries() -> None:
    settings = read(**SCRAM)
    expected = {
        "bootstrap_servers": ["localhost:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "clickstream",
        "sasl_plain_password": "secret",
    }
    for config in (settings.kafka_python_config(), settings.aiokafka_config()):
        assert config.pop("ssl_context")
        assert config == expected


@pytest.mark.parametrize("client", [KafkaProducer, KafkaConsumer, KafkaAdminClient])
def test_kafka_python_knows_every_keyword(client: Any) -> None:
    assert read(**SCRAM).kafka_python_config().keys() <= client.DEFAULT_CONFIG.keys()


@pytest.mark.parametrize("client", [AIOKafkaProducer, AIOKafkaConsumer, AIOKafkaAdminClient])
def test_aiokafka_knows_every_keyword(client: Any) -> None:
    assert read(**SCRAM).aiokafka_config().keys() <= signature(client).parameters.keys()


def test_the_kstreams_backend_hands_every_keyword_on() -> None:
    config = read(**SCRAM).aiokafka_config()
    handed_on = Kafka(**config).to_dict()  # type: ignore[no-untyped-call]
    assert {name: handed_on[name] for name in config} == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"KAFKA_SASL_MECHANISM": ""}, "KAFKA_SASL_MECHANISM is not set: .*SASL_SSL needs one of PLAIN, SCRAM"),
        ({"KAFKA_SASL_USERNAME": ""}, "KAFKA_SASL_USERNAME is not set: .*SASL_SSL needs a user name"),
        ({"KAFKA_SASL_PASSWORD": ""}, "KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, exactly one .* neither is set"),
        ({"KAFKA_SASL_PASSWORD_FILE": __file__}, "exactly one of the two; both is set"),
        ({"KAFKA_SASL_PASSWORD_FILE": "/no/file"}, "KAFKA_SASL_PASSWORD_FILE=/no/file: .*No such file"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM=GSSAPI: expected PLAIN, SCRAM-SHA-256 or SCRAM"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL=TLS: expected PLAINTEXT, SSL"),
        ({"KAFKA_SECURITY_PROTOCOL": ""}, "KAFKA_SASL_MECHANISM has no effect with .*=PLAINTEXT"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SASL_MECHANISM has no effect with .*=SSL"),
    ],
)
def test_half_a_login_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(**SCRAM | change)


def test_no_message_and_no_repr_shows_the_password() -> None:
    settings = read(**SCRAM)
    assert "secret" not in repr(settings)
    assert "secret" not in repr(settings.kafka_python_config())
    with pytest.raises(SettingsError) as caught:
        read(KAFKA_SASL_PASSWORD="secret")
    assert "secret" not in str(caught.value)


def read_topics(**environ: str) -> TopicSettings:
    return read_settings(TopicSettings, prog="app", description="", argv=[], environ=environ)


def test_topics_have_the_documented_names() -> None:
    assert read_topics() == TopicSettings(
        events_topic="clickstream-events",
        metrics_topic="clickstream-metrics",
        partials_topic="clickstream-window-partials",
        dead_letter_topic="clickstream-dead-letters",
    )


@pytest.mark.parametrize("name", ["a/b", "a b", ".", "..", "é", "a" * 250])
def test_a_name_that_kafka_refuses_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^EVENTS_TOPIC=.*: expected a topic name"):
        read_topics(EVENTS_TOPIC=name)


def test_one_topic_cannot_have_two_roles() -> None:
    with pytest.raises(SettingsError, match="METRICS_TOPIC=clickstream-events: .* other than that of EVENTS_TOPIC"):
        read_topics(METRICS_TOPIC="clickstream-events")
