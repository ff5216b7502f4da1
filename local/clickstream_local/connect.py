"""A Kafka Connect worker on this machine: its process, and its REST interface.

It runs in its folder with relative paths, as the broker does, so the folder can have any name. `plugin.path` holds
Iceberg's sink and Debezium's transforms, each with its own jars. The sink reads the worker's properties file for its
own clients of Kafka, so the connection stands there once.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from clickstream_kafka.settings import KafkaSettings
from clickstream_local.children import Child
from clickstream_local.properties import format_properties
from clickstream_local.rest import call, status_of

_PROPERTIES = "worker.properties"
_LOG4J2_PROPERTIES = "log4j2.properties"
_JARS = "jars"
_JVM_OPTIONS = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")

_LOG4J2 = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5level %logger{1}: %message%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.sink.name = org.apache.iceberg.connect
logger.sink.level = info
# It complains about each class of a plugin's jars that needs more than is there, and nothing here uses.
logger.plugins.name = org.apache.kafka.connect.runtime.isolation
logger.plugins.level = off
"""


class ConnectWorker:
    """One worker on one folder. `jars` is the folder of its jars, `environ` what connectors may refer to.

    Its topics are named after its `group`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        java: Path,
        jars: Path,
        port: int,
        group: str,
        kafka: KafkaSettings,
        environ: Mapping[str, str],
        log: Path,
    ) -> None:
        self.directory = directory.resolve()
        self.url = f"http://127.0.0.1:{port}"
        self._java = java
        self._jars = jars
        self._group = group
        self._kafka = kafka
        self._environ = environ
        self._log = log

    def launch(self) -> Child:
        """Start it without waiting until it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        link = self.directory / _JARS
        link.unlink(missing_ok=True)
        link.symlink_to(self._jars.absolute())
        (self.directory / _PROPERTIES).touch(mode=0o600)
        (self.directory / _PROPERTIES).write_bytes(format_properties(self._properties()))
        (self.directory / _LOG4J2_PROPERTIES).write_text(_LOG4J2, encoding="utf-8")
        command: list[str | Path] = [
            self._java.absolute(),
            *_JVM_OPTIONS,
            f"-Dclickstream.folder={self.directory}",  # shown by ps
            f"-Dlog4j2.configurationFile={_LOG4J2_PROPERTIES}",
            "-cp",
            f"{_JARS}/worker/*",
            "org.apache.kafka.connect.cli.ConnectDistributed",
            _PROPERTIES,
        ]
        return Child(
            "Kafka Connect", command, log=self._log, environ={**os.environ, **self._environ}, directory=self.directory
        )

    def ready(self) -> bool:
        """Whether it has joined its group: only then it answers questions about connectors."""
        return status_of(f"{self.url}/connectors") == 200

    def put_connector(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector or change it. Raises OSError with the worker's words if it refuses."""
        call("PUT", f"{self.url}/connectors/{name}/config", dict(config), timeout_s=30)

    def failure_of(self, name: str) -> str | None:
        """Return the trace of a connector or task that has failed, None if all of it runs. Raises OSError."""
        status = call("GET", f"{self.url}/connectors/{name}/status")
        parts = [status["connector"], *status["tasks"]]
        return next((part.get("trace") or "no reason given" for part in parts if part["state"] == "FAILED"), None)

    def restart_failed(self, name: str) -> None:
        """Start again what has failed of a connector. Raises OSError."""
        call("POST", f"{self.url}/connectors/{name}/restart?includeTasks=true&onlyFailed=true")

    def _properties(self) -> dict[str, str]:
        topics = {f"{kind}.storage.topic": f"{self._group}-{kind}s" for kind in ("config", "offset")}
        topics["status.storage.topic"] = f"{self._group}-status"
        connection = client_properties(self._kafka)
        return {
            **connection,
            **{
                f"{prefix}.{name}": value
                for prefix in ("consumer", "producer", "admin")
                for name, value in connection.items()
            },
            "group.id": self._group,
            **topics,
            "config.storage.replication.factor": "-1",
            "offset.storage.replication.factor": "-1",
            "status.storage.replication.factor": "-1",
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "listeners": self.url,
            "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "plugin.path": f"{_JARS}/plugins",
            "plugin.discovery": "service_load",
            "connector.client.config.override.policy": "All",
            "config.providers": "env",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            # A task looks for the start of a commit between two polls, which wait this long on silent topics.
            "offset.flush.interval.ms": "2000",
            # One worker: there is no other whose return is worth waiting for.
            "scheduled.rebalance.max.delay.ms": "0",
        }


def client_properties(kafka: KafkaSettings) -> dict[str, str]:
    """Return the properties of a Java client that connects as these settings say."""
    found = {"bootstrap.servers": ",".join(kafka.bootstrap_servers), "security.protocol": kafka.security_protocol}
    if kafka.uses_sasl:
        found |= {"sasl.mechanism": kafka.sasl_mechanism or "", "sasl.jaas.config": _jaas(kafka)}
    if kafka.uses_tls and kafka.ssl_cafile:
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(kafka.ssl_cafile.absolute())}
    if kafka.uses_tls and kafka.ssl_certfile and kafka.ssl_keyfile:
        chain, key = (file.read_text(encoding="ascii") for file in (kafka.ssl_certfile, kafka.ssl_keyfile))
        found |= {"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": chain, "ssl.keystore.key": key}
    return found


def _jaas(kafka: KafkaSettings) -> str:
    """Return the login of a user, in the format of Java's configuration of logins."""
    module = "plain.PlainLoginModule" if kafka.sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
    password = kafka.sasl_password_file or kafka.sasl_password
    values = {"username": kafka.sasl_username or "", "password": password.current() if password else ""}
    quoted = " ".join(f'{name}="{_quoted(value)}"' for name, value in values.items())
    return f"org.apache.kafka.common.security.{module} required {quoted};"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
