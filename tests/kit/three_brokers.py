"""A Kafka of three brokers that are also its controllers, each record on all three, as in production."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient

from clickstream_local.broker import Broker, new_cluster_id
from clickstream_local.ports import free_port

_NODES = (1, 2, 3)


class ThreeBrokers(AbstractContextManager["ThreeBrokers"]):
    """The brokers by node id. For a with statement.

    The controller fences a frozen broker after 9 s, Kafka's default, unless `properties` say otherwise.
    """

    def __init__(self, directory: Path, *, java: Path, jars: tuple[Path, ...], **properties: str) -> None:
        ports = {node: (free_port(), free_port()) for node in _NODES}
        cluster_id = new_cluster_id()
        voters = ",".join(f"{node}@127.0.0.1:{controller}" for node, (_, controller) in ports.items())
        self.brokers: dict[int, Broker] = {}
        for node, (port, controller) in ports.items():
            addresses = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
            self.brokers[node] = Broker(
                directory / f"kafka-{node}",
                java=java,
                jars=jars,
                port=port,
                cluster_id=cluster_id,
                properties={
                    "node.id": str(node),
                    "listeners": addresses,
                    "advertised.listeners": addresses,
                    "controller.quorum.voters": voters,
                    "controller.quorum.bootstrap.servers": ",".join(f"127.0.0.1:{each}" for _, each in ports.values()),
                    "default.replication.factor": "3",
                    "min.insync.replicas": "2",
                    "offsets.topic.replication.factor": "3",
                    "transaction.state.log.replication.factor": "3",
                    "transaction.state.log.min.isr": "2",
                    "broker.session.timeout.ms": "9000",
                    "broker.heartbeat.interval.ms": "2000",
                    **{name.replace("_", "."): value for name, value in properties.items()},
                },
            )
        self.bootstrap_servers = ",".join(each.bootstrap_servers for each in self.brokers.values())

    def __enter__(self) -> Self:
        with ExitStack() as stopping:
            for broker in self.brokers.values():
                broker.launch()
                stopping.callback(broker.kill)
            for broker in self.brokers.values():
                broker.wait_until_ready()
            stopping.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        for broker in self.brokers.values():
            broker.kill()

    def leader(self, topic: str, partition: int) -> int:
        """The node id of the partition's leader."""
        with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers.split(",")) as admin:
            partitions = admin.describe_topics([topic])[0]["partitions"]
        return next(int(each["leader_id"]) for each in partitions if each["partition_index"] == partition)

    def group_coordinator(self, group_id: str) -> int:
        """The node id of the group's coordinator, the leader of its partition of __consumer_offsets."""
        return self.leader("__consumer_offsets", _partition_of(group_id))

    def transaction_coordinator(self, transactional_id: str) -> int:
        """The node id of the id's transaction coordinator, the leader of its partition of __transaction_state."""
        return self.leader("__transaction_state", _partition_of(transactional_id))

    def controller(self) -> int:
        """The node id of the active controller."""
        with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers.split(",")) as admin:
            return int(admin.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"])


def _partition_of(name: str) -> int:
    """As Kafka finds it: Java's hash of the text, in as many partitions as the embedded broker makes."""
    code = 0
    for character in name:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return (code & 0x7FFFFFFF) % 4
