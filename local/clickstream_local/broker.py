"""A real Apache Kafka broker on this machine: one node, KRaft, 127.0.0.1 only.

The data is formatted once (`kafka.tools.StorageTool format --standalone`); after that each start runs `kafka.Kafka` on
it, with a new controller port. With a small heap, the serial collector and only the first compiler tier it accepts
records two to three seconds after its start, in some 170 MiB.

Java and Kafka run in the broker's folder and use relative paths below it, so the folder can have any name: Java splits
a class path at colons, Kafka splits log.dirs at commas, and neither has an escape for them.
"""

import locale
import os
import shutil
import signal
import socket
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
from clickstream_local.properties import format_properties

_STOP_GRACE_S = 30.0
_MAX_NAME_BYTES = 320
"""Of a file below the data: a topic's name, its partition, a suffix while it is deleted, a segment's name."""
_HERE = Path(__file__).parent
_SERVER_PROPERTIES = "server.properties"
_LOG4J2_PROPERTIES = "log4j2.properties"
_CLASS_PATH = "class-path"
_JVM_OPTIONS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")


def new_cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


class Broker:
    """One broker on one folder. The constructor does not start it: call `start()`, or use it in a with statement."""

    def __init__(
        self,
        directory: Path,
        *,
        java: Path,
        jars: tuple[Path, ...],
        port: int | None = None,
        log: Path | None = None,
        properties: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        """`directory` keeps data and configuration; `port` is the listener's (None: a free one); `log` is the broker's
        log file (None: broker.log in `directory`); `properties` are added to those of server.properties, or replace
        them; `cluster_id` is that of a cluster whose voters `properties` name (None: a cluster of its own).
        """
        self.directory = directory.resolve()
        self.port = port or free_port()
        self.log = log or directory / "broker.log"
        self._java = java
        self._jars = jars
        self._properties = dict(properties or {})
        self._cluster_id = cluster_id
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
        """The broker's process. Raises BrokerFailed if it was never started."""
        if self._child is None:
            raise BrokerFailed(f"the broker in {self.directory} was not started: call start() first")
        return self._child

    def start(self) -> None:
        """Start it on its folder, formatting the data the first time, and wait until it accepts records.

        Raises BrokerFailed with the end of its log if it exits or is not ready in time, and if the data was written by
        another version of Kafka.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting: several brokers of a cluster are ready only together. Raises BrokerFailed."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._refuse_long_paths()
        if not is_free(self.port):
            raise BrokerFailed(f"port {self.port} is held by {describe_holder(self.port)}: stop it or choose another")
        self._link_jars()
        self._write_configuration()
        self._format_once()
        self._child = self._java_program("Kafka", "kafka.Kafka", _SERVER_PROPERTIES)

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until it accepts records; kill it if it does not. Raises BrokerFailed."""
        if why := self.child.wait_until(self._accepts_records, timeout_s):
            raise BrokerFailed(
                f"Kafka did not start on {self.bootstrap_servers} ({why}). "
                f"The end of {self.log}:\n{self.child.last_lines()}"
            )

    def stop(self) -> None:
        """Stop it cleanly (SIGTERM), or by force after 30 s. Does nothing if it is already stopped."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE_S)

    def kill(self) -> None:
        """Kill it, as a power cut would (kill -9)."""
        self.child.kill()

    def pause(self) -> None:
        """Freeze it until `resume()`: connections stay open, no request is answered."""
        self.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.child.send(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _refuse_long_paths(self) -> None:
        """Raise BrokerFailed if a topic's files could not be opened: the system limits the length of a path."""
        excess = len(os.fsencode(self._data)) + _MAX_NAME_BYTES - os.pathconf(self.directory, "PC_PATH_MAX")
        if excess > 0:
            raise BrokerFailed(
                f"the path of {self._data} is too long by {excess} bytes for Kafka's files: "
                f"choose a folder with a shorter path (--local-directory)"
            )

    def _java_program(self, name: str, main_class: str, *arguments: str) -> Child:
        """Run a class of Kafka's jars in the broker's folder, with a locale in which Java reads file names as UTF-8."""
        environ = dict(os.environ)
        if locale.nl_langinfo(locale.CODESET) != "UTF-8":
            environ["LC_ALL"] = "C.UTF-8"
        command: list[str | Path] = [
            self._java.absolute(),
            *_JVM_OPTIONS,
            f"-Dclickstream.folder={self.directory}",  # shown by ps
            f"-Dlog4j2.configurationFile={_LOG4J2_PROPERTIES}",
            "-cp",
            ":".join(f"{_CLASS_PATH}/{jar.name}" for jar in self._jars),
            main_class,
            *arguments,
        ]
        return Child(name, command, log=self.log, environ=environ, directory=self.directory)

    def _link_jars(self) -> None:
        links = self.directory / _CLASS_PATH
        shutil.rmtree(links, ignore_errors=True)
        links.mkdir()
        for jar in self._jars:
            (links / jar.name).symlink_to(jar.absolute())

    def _write_configuration(self) -> None:
        controller = free_port()
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}"
        properties = {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "log.dirs": self._data.name,
            **self._properties,
        }
        # Java takes the last value of a key.
        shared = (_HERE / _SERVER_PROPERTIES).read_bytes()
        (self.directory / _SERVER_PROPERTIES).write_bytes(shared + format_properties(properties))
        shutil.copyfile(_HERE / _LOG4J2_PROPERTIES, self.directory / _LOG4J2_PROPERTIES)

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
            shutil.rmtree(self._data)  # formatting was interrupted: it holds no records yet
        standalone = () if self._cluster_id else ("--standalone",)
        cluster_id = f"--cluster-id={self._cluster_id or new_cluster_id()}"
        arguments = ("format", *standalone, cluster_id, "--config", _SERVER_PROPERTIES)
        formatting = self._java_program("format", "kafka.tools.StorageTool", *arguments)
        try:
            status = formatting.wait(60.0)
        finally:
            formatting.kill()
        if status != 0:
            raise BrokerFailed(f"could not format {self._data}. The end of {self.log}:\n{formatting.last_lines()}")
        version.write_text(KAFKA_VERSION, encoding="utf-8")

    def _accepts_records(self) -> bool:
        """Whether the cluster lists this broker, its only one, so that it can lead partitions."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        try:
            with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=5_000) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
