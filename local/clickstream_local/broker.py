"""A real Apache Kafka broker on this machine: one node, KRaft, 127.0.0.1 only.

The broker's folder holds `data` (the log segments), `server.properties` and `log4j2.properties`. The data is formatted
once (`kafka.tools.StorageTool format --standalone`); after that `kafka.Kafka` is started on it again and again, with a
new controller port each time. A small heap, the serial collector and only the first compiler tier let it take records
two to three seconds after it was started, with some 170 MiB.

The listener's port stays the same for the life of a Broker object, so that clients find it again after a restart.
"""

import shutil
import signal
import socket
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from clickstream_local.children import Child
from clickstream_local.errors import BrokerFailed
from clickstream_local.jars import KAFKA_VERSION
from clickstream_local.ports import describe_holder, free_port, is_free

_STOP_GRACE = 30.0
_JVM_OPTIONS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")

_LOG4J2 = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5level %logger{1}: %message%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
logger.state.name = kafka.server.BrokerServer
logger.state.level = info
"""


class Broker:
    """One broker on one folder. Not started by the constructor: `start()`, or use it in a with statement."""

    def __init__(
        self,
        directory: Path,
        *,
        java: Path,
        jars: tuple[Path, ...],
        port: int | None = None,
        log: Path | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`directory` keeps data and configuration; `port` is the listener's (None: a free one); `log` is the file for
        what the broker says (None: broker.log in `directory`); `properties` are added to, or replace, those of
        server.properties.
        """
        self.directory = directory.resolve()
        self.port = port or free_port()
        self.log = log or directory / "broker.log"
        self._java = java
        self._jars = jars
        self._properties = dict(properties or {})
        self._child: Child | None = None

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, e.g. "127.0.0.1:9092"."""
        return f"127.0.0.1:{self.port}"

    @property
    def child(self) -> Child:
        """The broker's process. Raises BrokerFailed when it was never started."""
        if self._child is None:
            raise BrokerFailed(f"the broker in {self.directory} was not started: call start() first")
        return self._child

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Start it on its folder, formatting the data at the first time, and wait until it takes records.

        Raises BrokerFailed with the end of its log when it ends or is not ready in time, and when the data was made by
        another version of Kafka.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        if not is_free(self.port):
            raise BrokerFailed(f"port {self.port} is held by {describe_holder(self.port)}: stop it or choose another")
        self._write_configuration()
        self._format_once()
        self._child = Child("Kafka", self._command("kafka.Kafka", str(self._server_properties)), log=self.log)
        try:
            self._wait_until_ready(self._child, time.monotonic() + deadline_seconds)
        except BaseException:
            self._child.kill()
            raise

    def stop(self) -> None:
        """End it in order (SIGTERM), or by force when it takes longer than 30 s. Stopped already: nothing happens."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE)

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        self.child.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered. Until `resume()`."""
        self.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self.child.send(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it and start it again on the same data and port."""
        self.stop()
        self.start()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _server_properties(self) -> Path:
        return self.directory / "server.properties"

    def _command(self, main_class: str, *arguments: str) -> list[str | Path]:
        logging = f"-Dlog4j2.configurationFile={(self.directory / 'log4j2.properties').as_uri()}"
        class_path = ":".join(str(jar) for jar in self._jars)
        return [self._java, *_JVM_OPTIONS, logging, "-cp", class_path, main_class, *arguments]

    def _write_configuration(self) -> None:
        controller = free_port()
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "log.dirs": str(self._data),
            # A topic is made on purpose, with its partitions and limits, never by a mistyped name.
            "auto.create.topics.enable": "false",
            # One node: nothing to replicate to.
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # Few partitions in the internal topics: the 50 of the default would be most of the start-up time.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.num.partitions": "1",
            # After a kill -9 the controller waits until the broker's former life has expired (default: 9 s).
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # The first member of a group does not wait three seconds for others.
            "group.initial.rebalance.delay.ms": "0",
            **self._properties,
        }
        lines = [f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in properties.items()]
        self._server_properties.write_text("".join(lines), encoding="utf-8")
        (self.directory / "log4j2.properties").write_text(_LOG4J2, encoding="utf-8")

    def _format_once(self) -> None:
        version = self._data / "kafka-version"
        if version.exists():
            if (made_by := version.read_text().strip()) != KAFKA_VERSION:
                raise BrokerFailed(
                    f"the data in {self._data} was made by Kafka {made_by}, this is {KAFKA_VERSION}: "
                    f"start once with --fresh, which deletes it"
                )
            return
        if self._data.exists():
            shutil.rmtree(self._data)  # formatting was interrupted: nothing can be in it yet
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        arguments = ("format", "--standalone", f"--cluster-id={cluster_id}", "--config", str(self._server_properties))
        formatting = Child("format", self._command("kafka.tools.StorageTool", *arguments), log=self.log)
        try:
            status = formatting.wait(60.0)
        finally:
            formatting.kill()
        if status != 0:
            raise BrokerFailed(f"could not format {self._data}. The end of {self.log}:\n{formatting.last_lines()}")
        version.write_text(KAFKA_VERSION, encoding="utf-8")

    def _wait_until_ready(self, child: Child, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not child.running:
                break
            if self._answers():
                return
            time.sleep(0.05)
        raise BrokerFailed(
            f"Kafka did not come up on {self.bootstrap_servers} ({child.describe_end()}). "
            f"The end of {self.log}:\n{child.last_lines()}"
        )

    def _answers(self) -> bool:
        """Whether it says that itself, the only broker, is there to lead partitions."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        try:
            with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=5_000) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
