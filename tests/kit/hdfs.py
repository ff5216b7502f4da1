"""HDFS for tests: a NameNode and a DataNode from Maven's jars, on 127.0.0.1, in a folder of the test run.

`python -m kit.hdfs`, run in tests, writes the lock of the jars.
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.maven import locked_jars, write_lock
from kit.poll import eventually

VERSION = "3.4.3"
# The last does not come along with the others.
_COORDINATES = tuple(
    f"org.apache.hadoop:{name}:{VERSION}" for name in ("hadoop-hdfs", "hadoop-common", "hadoop-hdfs-client")
)
_LOCK = Path(__file__).with_name(f"hadoop-{VERSION}.lock")
_MAIN = "org.apache.hadoop.hdfs.server"
_JVM = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.lang=ALL-UNNAMED")
_PAGES = ("webapps/hdfs/WEB-INF/web.xml", "webapps/datanode/WEB-INF/web.xml", "webapps/static/empty")
"""What the servers look for on their class path; the jars have none of it."""
_PORTS = 5
_READY_S = 90.0


@dataclass(frozen=True)
class Hdfs:
    """A running HDFS."""

    address: str
    namenode: Child
    datanode: Child


def hadoop_jars(directory: Path) -> tuple[Path, ...]:
    """The jars, downloaded into `directory` if they are not there yet, compared with the lock each time."""
    return locked_jars(_COORDINATES, directory / f"jars-{VERSION}", _LOCK)


@contextmanager
def hdfs(folder: Path, java: Path, jars: tuple[Path, ...]) -> Iterator[Hdfs]:
    """Start a NameNode and a DataNode, and stop them after the block."""
    first = free_port(_PORTS)
    rpc, page, data, data_page, data_rpc = (f"127.0.0.1:{first + place}" for place in range(_PORTS))
    for name in _PAGES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("<web-app/>", encoding="ascii")
    (folder / "core-site.xml").write_text(_xml({"fs.defaultFS": f"hdfs://{rpc}"}), encoding="utf-8")
    settings = {
        "dfs.replication": "1",
        "dfs.namenode.name.dir": f"file://{folder}/name",
        "dfs.datanode.data.dir": f"file://{folder}/data",
        "dfs.namenode.http-address": page,
        "dfs.datanode.address": data,
        "dfs.datanode.http.address": data_page,
        "dfs.datanode.ipc.address": data_rpc,
        "dfs.datanode.hostname": "127.0.0.1",
        "dfs.permissions.enabled": "false",
        "dfs.namenode.safemode.extension": "0",
    }
    (folder / "hdfs-site.xml").write_text(_xml(settings), encoding="utf-8")
    command: list[str | Path] = [java, *_JVM, "-cp", ":".join([str(folder), *map(str, jars)])]
    formatting = Child(
        "format", [*command, f"{_MAIN}.namenode.NameNode", "-format", "-nonInteractive"], log=folder / "format.log"
    )
    assert formatting.wait(_READY_S) == 0, formatting.last_lines()
    with ExitStack() as stack:
        started = []
        for name in ("namenode.NameNode", "datanode.DataNode"):
            child = Child(name, [*command, f"{_MAIN}.{name}"], log=folder / f"{name}.log")
            stack.callback(child.kill)
            started.append(child)

        def live() -> bool:
            for child in started:
                if not child.running:
                    raise RuntimeError(f"{child.name} ended:\n{child.last_lines()}")
            return _live_datanodes(page) == 1

        eventually(live, _READY_S, every=0.2)
        yield Hdfs(f"hdfs://{rpc}", *started)


def _live_datanodes(page: str) -> int:
    url = f"http://{page}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            beans = json.load(answer)["beans"]
    except OSError:
        return 0
    return int(beans[0]["NumLiveDataNodes"]) if beans else 0


def _xml(settings: dict[str, str]) -> str:
    root = ElementTree.Element("configuration")
    for name, value in settings.items():
        entry = ElementTree.SubElement(root, "property")
        ElementTree.SubElement(entry, "name").text = name
        ElementTree.SubElement(entry, "value").text = value
    return ElementTree.tostring(root, encoding="unicode")


if __name__ == "__main__":
    write_lock(_COORDINATES, _LOCK, f"`python -m kit.hdfs` (in tests) found for Apache Hadoop {VERSION}")
