"""The embedded broker in folders whose names mean something to those that read its configuration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from clickstream_local.broker import Broker
from clickstream_local.errors import BrokerFailed
from clickstream_local.properties import format_properties

STRANGE = '클릭 Köln, it\'s #1 = 100%: C:\\new $HOME "!" 😀'
_START = """
import sys
from pathlib import Path
from clickstream_local.broker import Broker
folder, java, *jars = map(Path, sys.argv[1:])
with Broker(folder, java=java, jars=tuple(jars)) as broker:
    print("ready")
"""


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("log.dirs", "data", "log.dirs=data"),
        ("name", r"C:\new", r"name=C:\\new"),
        ("name", "클릭 é", r"name=\uD074\uB9AD \u00E9"),
        ("name", "😀", r"name=\uD83D\uDE00"),
        ("name", "  a b ", r"name=\ \ a b "),
        ("name", "a\nb\tc", r"name=a\nb\tc"),
        ("name", "#!=:", "name=#!=:"),
        ("#a b=c:!", "", r"\#a\ b\=c\:\!="),
    ],
)
def test_properties_are_written_as_java_reads_them(key: str, value: str, line: str) -> None:
    assert format_properties({key: value}).decode("ascii").casefold() == f"{line}\n".casefold()


def test_a_broker_runs_in_a_folder_of_any_name_and_reads_any_value(
    tmp_path: Path, java: Path, jars: tuple[Path, ...]
) -> None:
    folder = tmp_path / STRANGE
    with Broker(folder, java=java, jars=jars, properties={"broker.rack": STRANGE}) as broker:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            (described,) = admin.describe_cluster()["brokers"]
        broker.restart()

    assert described["rack"] == STRANGE
    assert {each.name for each in tmp_path.iterdir()} == {STRANGE}
    assert (folder / "data" / "__cluster_metadata-0").is_dir()
    assert "started" in broker.log.read_text(encoding="utf-8")


def test_a_broker_runs_in_it_where_the_locale_is_c(tmp_path: Path, java: Path, jars: tuple[Path, ...]) -> None:
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    command = [sys.executable, "-c", _START, *map(str, (tmp_path / STRANGE, java, *jars))]
    ran = subprocess.run(command, env=environ, capture_output=True, encoding="utf-8", check=False)

    assert ran.stdout == "ready\n", ran.stderr


def test_a_path_that_is_too_long_for_kafkas_files_is_refused(
    tmp_path: Path, java: Path, jars: tuple[Path, ...]
) -> None:
    deep = tmp_path.joinpath(*["a" * 200] * 18, "b" * (3800 - len(str(tmp_path)) - 18 * 201))
    with pytest.raises(BrokerFailed, match=r"data is too long by \d+ bytes .*--local-directory"):
        Broker(deep, java=java, jars=jars).start()
