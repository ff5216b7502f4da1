"""NGINX's requests by rsyslog to Kafka and by clickstream-scenarios to results, with the real programs.

SHIPPED_REQUESTS is how many are sent; `make chaos` sends 100,000.
"""

import json
import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from kit.certificates import write_certificates
from kit.nginx import Nginx, program
from kit.poll import eventually
from kit.processes import Apps
from kit.rsyslog import SHIPPER, Rsyslog, module, settings
from kit.scenarios import ScenarioTopics, create_scenario_topics, start_scenarios, write_folder
from kit.tls_kafka import TlsKafka
from kit.topics import Message, read_all

SCENARIO = {
    "scenario_id": 5,
    "title": "Gold members who click",
    "manager": "admin_user",
    "log_format": {"n": 1},
    "filters": [{"left": "grade", "operator": "==", "right": "gold"}],
    "logical_operator": "AND",
}
REQUESTS = int(os.environ.get("SHIPPED_REQUESTS", "6000"))
AWAY_S = 60 if REQUESTS >= 100_000 else 3


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with the certificates of the broker, the shipper and their CA."""
    (tmp_path / "certificates").mkdir()
    return write_certificates(tmp_path / "certificates")


@pytest.fixture
def kafka(tmp_path: Path, java: Path, jars: tuple[Path, ...], certificates: Path) -> Iterator[TlsKafka]:
    """A Kafka whose listener asks for TLS and a client's certificate."""
    (tmp_path / "broker").mkdir()
    with TlsKafka(tmp_path / "broker", certificates, java=java, jars=jars) as secured:
        yield secured


def by_tls(kafka: TlsKafka, certificates: Path) -> dict[str, str]:
    """The changes for a Kafka with TLS."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CAFILE": str(certificates / "ca.crt"),
        "KAFKA_SSL_CERTFILE": str(certificates / "client.crt"),
        "KAFKA_SSL_KEYFILE": str(certificates / "client.key"),
    }


def shipped(broker: Broker, topic: str) -> list[Message]:
    return read_all(broker.bootstrap_servers, topic)


def numbers(messages: list[Message]) -> dict[str, int]:
    """The number in each request's parameter n, by request_id: a line that was sent twice is there once."""
    records = [json.loads(each.value or b"") for each in messages]
    return {each["request_id"]: int(each["request_uri"].rpartition("n=")[2]) for each in records}


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    module("omkafka")
    with Nginx(tmp_path / "nginx", unlimited=True) as running:
        yield running


def test_rotations_kills_and_a_kafka_that_is_away_lose_no_request_and_no_result_is_there_twice(
    tmp_path: Path, kafka: TlsKafka, certificates: Path, nginx: Nginx, apps: Apps
) -> None:
    topics = create_scenario_topics(kafka.broker.bootstrap_servers, partitions=6)
    rules = write_folder(tmp_path / "rules", [SCENARIO], ["1,MALE,1990-05-01,gold", "2,MALE,1990-05-01,silver"])
    scenarios = start_scenarios(apps, topics, rules)
    environ = settings("shipper.env", **by_tls(kafka, certificates), ACCESS_LOGS_TOPIC=topics.access_logs)
    part = REQUESTS // 6
    sent = 0

    def track(count: int = part) -> None:
        nonlocal sent
        nginx.track([f"/5?e_c=buttonClick&memberId={1 + each % 2}&n={each}" for each in range(sent, sent + count)])
        sent += count

    with Rsyslog(tmp_path / "rsyslog", "access-logs.conf", environ, logs=nginx.logs) as shipper:
        track()
        eventually(lambda: any(shipper.work.glob("imfile-state:*")), 30)  # it has read some
        nginx.rotate()
        busy = threading.Thread(target=track)
        busy.start()
        time.sleep(0.2)  # not for luck: whenever it comes, nothing may be lost
        shipper.kill()
        busy.join()
        nginx.rotate()
        track()
        assert "are sent again" in shipper.start()
        track()

        eventually(lambda: len(topics.read_results()) == sent, 60, every=0.5)
        kafka.broker.kill()
        track()
        eventually(lambda: "kafka error" in (shipper.work / "outages").read_text(), 60)
        shipper.kill()
        track(REQUESTS - sent)
        shipper.start()
        time.sleep(AWAY_S)  # how long Kafka is away
        kafka.broker.start()
        eventually(lambda: len(topics.read_results()) >= REQUESTS, 120, every=0.5)
        assert shipper.stop() == 0
    scenarios.stop()

    lines = shipped(kafka.broker, topics.access_logs)
    assert_each_request_is_there(lines, topics)
    print(
        f"{REQUESTS} requests, Kafka away for {AWAY_S} s: {len(lines)} lines in Kafka, "
        f"{len(lines) - len(numbers(lines))} of them sent twice, {len(topics.read_results())} results, none twice"
    )
    assert "/5?e_c" not in shipper.said(), "no visitor's request is in a log of the shipper"


def assert_each_request_is_there(lines: list[Message], topics: ScenarioTopics) -> None:
    """Each at least once in the topic, those sent twice in one partition, and each once in the results."""
    assert sorted(numbers(lines).values()) == list(range(REQUESTS))
    assert all(each.key == json.loads(each.value or b"")["request_id"].encode() for each in lines)
    partitions: dict[bytes | None, set[int]] = {}
    for each in lines:
        partitions.setdefault(each.key, set()).add(each.partition)
    assert all(len(each) == 1 for each in partitions.values()), "a line that is sent twice is in one partition"

    results = sorted((int(each["n"]), each["success"]) for each in topics.read_results())
    assert results == [(number, 1 - number % 2) for number in range(REQUESTS)]
    assert topics.read(topics.dead_letters) == []


def test_lines_arrive_as_they_are_even_where_they_are_no_text(tmp_path: Path, broker: Broker, nginx: Nginx) -> None:
    topic = f"access-logs-{uuid.uuid4().hex[:10]}"
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, [Topic(topic, 3)])
    environ = settings("shipper.env", KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, ACCESS_LOGS_TOPIC=topic)
    with Rsyslog(tmp_path / "rsyslog", "access-logs.conf", environ, logs=nginx.logs) as shipper:
        for target in (b"/5?\xea\xb3\xa0\xff", b"/5?" + b"a" * 8000, b'/5?"\\'):
            header = b"Referer: " + b"\x01" * 8000
            nginx.send(b"GET " + target + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + header + b"\r\n\r\n")
        with nginx.log.open("a") as log:
            log.write("no JSON\n")
        eventually(lambda: len(shipped(broker, topic)) == 4, 30, every=0.5)
        assert shipper.stop() == 0
    found = shipped(broker, topic)
    assert sorted(each.value or b"" for each in found) == sorted(nginx.log.read_bytes().splitlines())
    assert {each.key or b"" for each in found if each.value == b"no JSON"} == {b""}


@pytest.mark.parametrize(("configuration", "env"), [("access-logs", "shipper.env"), ("web-logs", "web-logs.env")])
def test_rsyslog_accepts_the_configuration_with_its_settings(tmp_path: Path, configuration: str, env: str) -> None:
    module("omkafka")
    module("omelasticsearch")
    text = (SHIPPER / f"{configuration}.conf").read_text(encoding="utf-8")
    (tmp_path / "checked.conf").write_text(re.sub('"/var/spool/clickstream-[a-z-]+"', f'"{tmp_path}"', text))
    environ = {**settings(env), "PATH": os.environ["PATH"]}
    used = re.findall(r"\$([A-Z_]+)[`]", text)
    assert set(used) == set(settings(env))
    command: list[str | Path] = [program("rsyslogd", "rsyslog"), "-N1", "-f", tmp_path / "checked.conf"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
