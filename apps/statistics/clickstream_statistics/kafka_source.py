"""Settings of Kafka as options of Spark's source. Certificates go inline, so executors need no files of their own."""

from collections.abc import Mapping

from clickstream_core.errors import SettingsError
from clickstream_kafka.passwords import current
from clickstream_kafka.settings import KafkaSettings
from clickstream_statistics.settings import APP

MOST_RECORDS = 250_000
"""Of a batch: with 1 kB each a few hundred MB in Spark's memory or on its disk."""
_ANSWER_MS = "15000"
_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def source_options(kafka: KafkaSettings, topic: str, *, skip_lost: bool) -> dict[str, str]:
    """Return the options of `readStream.format("kafka")`. Raises SettingsError for a certificate that can't be read."""
    return {
        "subscribe": topic,
        "startingOffsets": "earliest",
        "groupIdPrefix": APP,
        "maxOffsetsPerTrigger": str(MOST_RECORDS),
        "failOnDataLoss": "false" if skip_lost else "true",
        "fetchOffset.numRetries": "1",
        "kafkaConsumer.pollTimeoutMs": "30000",
        "kafka.isolation.level": "read_committed",
        "kafka.metadata.max.age.ms": "5000",
        **{f"kafka.{name}": value for name, value in client_options(kafka).items()},
    }


def client_options(kafka: KafkaSettings) -> Mapping[str, str]:
    """Return the configuration of Kafka's Java clients. Raises SettingsError as `source_options`."""
    options = {
        "default.api.timeout.ms": _ANSWER_MS,
        "request.timeout.ms": _ANSWER_MS,
        "bootstrap.servers": ",".join(kafka.bootstrap_servers),
        "security.protocol": kafka.security_protocol,
    }
    if kafka.uses_sasl:
        mechanism = kafka.sasl_mechanism or ""
        password = current(kafka.sasl_password_file or kafka.sasl_password or "")
        user = f"username={_quoted(kafka.sasl_username or '')} password={_quoted(password)}"
        options["sasl.mechanism"] = mechanism
        options["sasl.jaas.config"] = f"{_MODULES[mechanism]} required {user};"
    try:
        if kafka.uses_tls and kafka.ssl_cafile is not None:
            options["ssl.truststore.type"] = "PEM"
            options["ssl.truststore.certificates"] = kafka.ssl_cafile.read_text(encoding="utf-8")
        if kafka.uses_tls and kafka.ssl_certfile is not None and kafka.ssl_keyfile is not None:
            options["ssl.keystore.type"] = "PEM"
            options["ssl.keystore.certificate.chain"] = kafka.ssl_certfile.read_text(encoding="utf-8")
            options["ssl.keystore.key"] = kafka.ssl_keyfile.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{error.filename}: expected a PEM file that can be read ({error.strerror})") from error
    return options


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
