"""What rsyslog does when what it depends on fails: each failure is caused; shippers/rsyslog/README.md describes it."""

import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from clickstream_local.topics import Topic, create_missing
from kit.certificates import write_certificates
from kit.poll import eventually
from kit.rsyslog import Rsyslog, module, settings
from kit.small_disk import fill, small_disk
from kit.topics import read_all

LINES = 300
PLAIN_LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_clickstream-shipper="right" ;'


class SaslKafka:
    """A broker with a listener for TLS and a password (PLAIN: Debian 12's librdkafka fails SCRAM against Kafka 4.3)."""

    def __init__(self, directory: Path, java: Path, jars: tuple[Path, ...]) -> None:
        self.certificates = write_certificates(_made(directory / "certificates"))
        ports = {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", "LOGIN")}
        addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        key_store = directory / "server.pem"
        key_store.write_bytes(b"".join((self.certificates / f"server.{each}").read_bytes() for each in ("key", "crt")))
        self.address = f"127.0.0.1:{ports['LOGIN']}"
        self.broker = Broker(
            directory / "kafka",
            java=java,
            jars=jars,
            port=ports["PLAINTEXT"],
            properties={
                "listeners": addresses,
                "advertised.listeners": addresses,
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL",
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}",
                # Half of the small heap by default.
                "log.cleaner.dedupe.buffer.size": "8388608",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(key_store),
                "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.login.plain.sasl.jaas.config": PLAIN_LOGIN,
            },
        )

    def settings(self, topic: str, **changed: str) -> dict[str, str]:
        """Those of a shipper that may log in, with these changes."""
        right = {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "ACCESS_LOGS_TOPIC": topic,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": "clickstream-shipper",
            "KAFKA_SASL_PASSWORD": "right",
            "KAFKA_SSL_CAFILE": str(self.certificates / "ca.crt"),
        }
        return settings("shipper.env", **{**right, **changed})

    def create(self) -> str:
        """A topic with a new name."""
        name = f"access-logs-{uuid.uuid4().hex[:10]}"
        create_missing({"bootstrap_servers": [self.broker.bootstrap_servers]}, [Topic(name, 3)])
        return name

    def arrived(self, topic: str) -> set[bytes]:
        """The lines in the topic."""
        return {each.value or b"" for each in read_all(self.broker.bootstrap_servers, topic)}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, java: Path, jars: tuple[Path, ...]) -> Iterator[SaslKafka]:
    module("omkafka")
    made = SaslKafka(tmp_path_factory.mktemp("kafka"), java, jars)
    with made.broker:
        yield made


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with a log of so many lines."""
    folder = _made(tmp_path / "logs")
    write_lines(folder, LINES)
    return folder


def write_lines(logs: Path, count: int) -> None:
    """So many lines of a tracking log, all different."""
    lines = [f'{{"request_id":"{uuid.uuid4().hex}","msec":1795741200.1,"request_uri":"/5"}}\n' for _ in range(count)]
    with (logs / "tracking.log").open("a", encoding="utf-8") as log:
        log.writelines(lines)


def logged(logs: Path) -> set[bytes]:
    return set((logs / "tracking.log").read_bytes().splitlines())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def says(rsyslog: Rsyslog, logs: Path, text: str) -> None:
    """Wait until it says so. It says what librdkafka has found out when the next line comes."""

    def said() -> bool:
        write_lines(logs, 1)
        return text in rsyslog.said()

    eventually(said, 30, every=0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("KAFKA_SASL_PASSWORD", "kafka error -169: Local: Authentication failure"),
        ("KAFKA_SSL_CAFILE", "kafka error -181: Local: SSL error"),
    ],
)
def test_a_wrong_password_and_an_untrusted_certificate_are_named_and_lose_nothing(
    tmp_path: Path, kafka: SaslKafka, logs: Path, wrong: str, said: str
) -> None:
    topic = kafka.create()
    other = write_certificates(_made(tmp_path / "other"))
    changed = {wrong: str(other / "ca.crt") if wrong.endswith("CAFILE") else "wrong"}
    environ = kafka.settings(topic, **changed)
    with Rsyslog(tmp_path / "rsyslog", "access-logs.conf", environ, logs=logs) as rsyslog:
        says(rsyslog, logs, said)
        assert kafka.arrived(topic) == set()
        assert rsyslog.stop(within_s=7) is None, "it does not end before Kafka has its lines"
        rsyslog.environ = kafka.settings(topic)
        assert "are sent again" in rsyslog.start()
        eventually(lambda: kafka.arrived(topic) == logged(logs), 30, every=0.5)


def test_a_full_disk_under_the_shipper_loses_nothing(tmp_path: Path, kafka: SaslKafka, logs: Path) -> None:
    topic = kafka.create()
    with (
        small_disk(tmp_path / "rsyslog" / "work", 256) as work,
        Rsyslog(tmp_path / "rsyslog", "access-logs.conf", kafka.settings(topic), logs=logs) as rsyslog,
    ):
        eventually(lambda: kafka.arrived(topic) == logged(logs), 30, every=0.5)
        filler = fill(work)
        write_lines(logs, LINES)
        eventually(lambda: kafka.arrived(topic) == logged(logs), 30, every=0.5)
        rsyslog.kill()
        write_lines(logs, LINES)
        filler.unlink()
        rsyslog.start()
        eventually(lambda: kafka.arrived(topic) == logged(logs), 30, every=0.5)


def _all_arrived(kafka: SaslKafka, topic: str, logs: Path) -> bool:
    return kafka.arrived(topic) == logged(logs)


def _read_up_to(state: Path, size: int) -> bool:
    return f'"curr_offs": {size},' in state.read_text(encoding="utf-8")


def test_a_disk_queue_loses_what_the_log_with_rewind_keeps(
    tmp_path: Path, logs: Path, java: Path, jars: tuple[Path, ...]
) -> None:
    """kill -9 while Kafka hangs: what omkafka has handed to librdkafka is gone from a queue of type Disk."""
    module("omkafka")
    kafka = SaslKafka(tmp_path, java, jars)
    queue = 'queue.type="Disk" queue.filename="q" queue.checkpointInterval="1" queue.syncQueueFiles="on"'
    disk = {'queue.type="Direct"': queue}
    with kafka.broker:
        by_log, by_disk = kafka.create(), kafka.create()
        with (
            Rsyslog(tmp_path / "log", "access-logs.conf", kafka.settings(by_log), logs=logs) as log_is_queue,
            Rsyslog(
                tmp_path / "disk", "access-logs.conf", kafka.settings(by_disk), logs=logs, rewinds=False, changed=disk
            ) as disk_is_queue,
        ):
            for topic in (by_log, by_disk):
                eventually(partial(_all_arrived, kafka, topic, logs), 60, every=0.5)
            kafka.broker.pause()
            write_lines(logs, LINES)
            size = (logs / "tracking.log").stat().st_size
            for each in (log_is_queue, disk_is_queue):
                (state,) = each.work.glob("imfile-state:*")
                eventually(partial(_read_up_to, state, size), 30)
            eventually(lambda: "+iQueueSize:2:1:0:" in (disk_is_queue.work / "q.qi").read_text(), 30)
            for each in (log_is_queue, disk_is_queue):
                each.kill()
            kafka.broker.kill()
            kafka.broker.start()
            log_is_queue.start()
            disk_is_queue.start()
            eventually(lambda: kafka.arrived(by_log) == logged(logs), 60, every=0.5)
            write_lines(logs, 1)
            last = (logs / "tracking.log").read_bytes().splitlines()[-1]
            eventually(lambda: last in kafka.arrived(by_disk), 60, every=0.5)
            assert len(logged(logs) - kafka.arrived(by_disk)) > LINES // 2
