"""A Kafka with passwords and ACLs, whose users come from KafkaUser manifests.

It handles a manifest as Strimzi's user operator does: SCRAM-SHA-512 credentials, and an ACL for each operation of each
rule. And it records which rights were used: StandardAuthorizer writes each decision to an audit log, which is part of
the broker's log here.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port

_MECHANISM = "SCRAM-SHA-512"
_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
_AUDIT_LOG = "kafka.authorizer.logger"
_DECISION = re.compile(
    r"Principal = User:(?P<user>\S+) is (?P<decision>Allowed|Denied) operation = (?P<operation>\w+) "
    r"from host = \S+ on resource = (?P<kind>\w+):LITERAL:(?P<name>\S+) for request = (?P<request>\w+)"
)
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.CLUSTER,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": ACLResourcePatternType.LITERAL, "prefix": ACLResourcePatternType.PREFIXED}


@dataclass(frozen=True)
class Right:
    """One operation on resources of a name, or of all names that begin with it; words as in a KafkaUser."""

    resource: str
    name: str
    operation: str
    prefix: bool = False


@dataclass(frozen=True)
class Decision:
    """A right that a request of a user needed, and whether it was granted."""

    user: str
    right: Right
    request: str
    allowed: bool


def rights_of(user: Mapping[str, Any]) -> list[Right]:
    """The rights that a KafkaUser manifest grants."""
    return [
        Right(
            rule["resource"]["type"],
            rule["resource"]["name"],
            operation,
            prefix=rule["resource"].get("patternType") == "prefix",
        )
        for rule in user["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    ]


class SecuredKafka(AbstractContextManager["SecuredKafka"]):
    """A broker with a SCRAM listener and ACLs; its plain listener is the administrator's. For a with statement."""

    def __init__(self, directory: Path, *, java: Path, jars: tuple[Path, ...]) -> None:
        ports = {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", "SCRAM")}
        addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        self.address = f"127.0.0.1:{ports['SCRAM']}"
        self.broker = Broker(
            directory,
            java=java,
            jars=jars,
            port=ports["PLAINTEXT"],
            properties={
                "listeners": addresses,
                "advertised.listeners": addresses,
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_PLAINTEXT",
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}",
                "listener.name.scram.sasl.enabled.mechanisms": _MECHANISM,
                "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{_MODULE} required;",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            },
        )

    def __enter__(self) -> Self:
        self.broker.start()
        everything = ConfigResource(ConfigResourceType.BROKER_LOGGER, "1", configs={_AUDIT_LOG: "TRACE"})
        with self._admin() as admin:
            admin.alter_configs([everything], raise_on_unknown=False)
        return self

    def __exit__(self, *exception: object) -> None:
        self.broker.stop()

    def add_user(self, name: str, password: str, rights: Iterable[Right]) -> None:
        """Create the user with exactly these rights."""
        with self._admin() as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password)]
            )
            added = admin.create_acls([_acl(name, right) for right in rights])
        assert not added["failed"], added["failed"]

    def settings(self, user: str, password: str) -> dict[str, str]:
        """The apps' settings for this user."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": _MECHANISM,
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": password,
        }

    def log_size(self) -> int:
        """The size of the audit log in bytes, for `decisions`."""
        return self.broker.log.stat().st_size

    def decisions(self, since: int) -> set[Decision]:
        """The decisions about all users except the administrator since the log had this size."""
        found = set()
        for match in _DECISION.finditer(self.broker.log.read_bytes()[since:].decode(errors="replace")):
            resource = match["kind"][0].lower() + match["kind"][1:]
            operation = "".join(word.title() for word in match["operation"].split("_"))
            right = Right(resource, match["name"], operation)
            found.add(Decision(match["user"], right, match["request"], match["decision"] == "Allowed"))
        return {each for each in found if each.user != "ANONYMOUS"}

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)


def _acl(user: str, right: Right) -> ACL:
    operation = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", right.operation).upper()
    pattern = _PATTERNS["prefix" if right.prefix else "literal"]
    return ACL(
        f"User:{user}",
        "*",
        ACLOperation[operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(_RESOURCES[right.resource], right.name, pattern),
    )
