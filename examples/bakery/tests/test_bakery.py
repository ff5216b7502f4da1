"""The bakery as its README has it: the console commands and both programs, on a real broker."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from clickstream_local.children import Child
from kit.console import run_console
from kit.poll import eventually
from kit.topics import ToSend, read_all, send

BAKERY = Path(__file__).parents[1]
README = (BAKERY / "README.md").read_text(encoding="utf-8")
TOPIC = "bk-orders"
ORDER = re.compile(r"order (\d) is in partition 0 at offset (\d+): \{.*\}")
Console = Callable[..., str]


@pytest.fixture
def console(jars: tuple[Path, ...], own_broker: Broker) -> Console:
    """Runs one of Kafka's commands as the README has it, but on the test's broker."""

    def run(script: str, *more: str, typed: str = "") -> str:
        line = next(each for each in README.splitlines() if each.strip().startswith(f"./{script}"))
        arguments = shlex.split(line)[1:]
        arguments[arguments.index("--bootstrap-server") + 1] = own_broker.bootstrap_servers
        return run_console(jars, script, [*arguments, *more], typed=typed)

    return run


def environment(broker: Broker) -> dict[str, str]:
    return {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "PYTHONIOENCODING": "utf-8"}


def produce(broker: Broker, *arguments: str) -> tuple[int, str]:
    """Exit status, and what the producer prints."""
    command = [sys.executable, str(BAKERY / "bakery-producer.py"), *arguments]
    done = subprocess.run(
        command, env=environment(broker), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    return done.returncode, done.stdout


@pytest.fixture
def consume(own_broker: Broker, tmp_path: Path) -> Iterator[Callable[[], Child]]:
    """Starts the consumer."""
    command = [sys.executable, str(BAKERY / "bakery-consumer.py")]
    started: list[Child] = []

    def start() -> Child:
        log = tmp_path / "consumer.log"
        started.append(Child("bakery-consumer", command, log=log, environ=environment(own_broker)))
        return started[-1]

    yield start
    for child in started:
        child.kill()


def test_orders_go_from_the_producer_to_the_consumer_and_so_does_what_is_typed(
    own_broker: Broker, console: Console, consume: Callable[[], Child], tmp_path: Path
) -> None:
    status, printed = produce(own_broker, "1")
    assert status == 1
    assert printed.splitlines()[-1].startswith(f"{own_broker.bootstrap_servers} does not answer, or has no topic")

    assert f"Created topic {TOPIC}." in console("kafka-topics.sh")
    consumer = consume()
    status, printed = produce(own_broker, "2")
    assert (status, [each.groups() for each in ORDER.finditer(printed)]) == (0, [("1", "0"), ("2", "1")])
    console("kafka-console-producer.sh", typed='소금빵 열 개 주세요\n["no", "order"]\n')
    found = console("kafka-console-consumer.sh", "--max-messages", "4").splitlines()
    assert found == [(each.value or b"").decode() for each in read_all(own_broker.bootstrap_servers, TOPIC)]
    assert found[2:] == ["소금빵 열 개 주세요", '["no", "order"]']
    send(own_broker.bootstrap_servers, TOPIC, [ToSend(None, key=b"tombstone")])

    def lines() -> list[str]:
        return (tmp_path / "consumer.log").read_text(encoding="utf-8").splitlines()

    eventually(lambda: len(lines()) >= 5, 30)
    assert all(re.fullmatch(r"[1-5] x \w+, [\d,]+ won", each) for each in lines()[:2])
    assert lines()[2:] == ["not an order: 소금빵 열 개 주세요", 'not an order: ["no", "order"]', "not an order: "]
    consumer.send(signal.SIGINT)
    assert consumer.wait(20) == 0
    assert lines()[5:] == ["closed"]


def test_the_commands_of_kafka_python_do_the_same(broker: Broker) -> None:
    text = README.replace("127.0.0.1:9092", broker.bootstrap_servers).replace(TOPIC, "bk-others")
    lines = [shlex.split(each) for each in text.splitlines() if each.strip().startswith(".venv/bin/python -m kafka.")]
    assert len(lines) == 3
    create, producer, consumer = ([sys.executable, *each[1:]] for each in lines)
    subprocess.run(create, check=True, capture_output=True, timeout=30)
    subprocess.run(producer, check=True, input=b"bread\n", capture_output=True, timeout=30)
    reading = subprocess.Popen(consumer, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert reading.stdout
    with reading:
        line = reading.stdout.readline()
        reading.kill()
    assert b"bread" in line
    assert [each.value for each in read_all(broker.bootstrap_servers, "bk-others")] == [b"bread"]


def test_both_programs_read_in_one_screen() -> None:
    for program in BAKERY.glob("bakery-*.py"):
        assert len(program.read_text(encoding="utf-8").splitlines()) <= 28, program.name
