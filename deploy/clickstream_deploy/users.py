"""The apps' users, where the listener asks for them. They have the names of the releases."""

from typing import Any

from clickstream_deploy.apps import RELEASES
from clickstream_deploy.component import Component
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.listeners import NONE, Connection
from clickstream_deploy.manifests import manifests
from clickstream_deploy.resources import USER, Manifest, label, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.waiting import wait_until_gone, wait_until_ready

_CLUSTER = "strimzi.io/cluster"


class Users(Component):
    """The KafkaUsers of the apps to be installed; those of an optional app are in strimzi/OPTION."""

    def __init__(self, session: Session, strimzi: Strimzi, kafka: KafkaCluster) -> None:
        super().__init__(session)
        self._strimzi = strimzi
        self._kafka = kafka

    def install(self) -> None:
        """Create the users and wait until they are Ready, and so have their Secrets."""
        connection = self._kafka.connection
        if self._kafka.found and connection is not None and connection.authentication == NONE:
            self.progress.say(f"No users: listener {connection.listener} asks for none")
            return
        wanted = [each for folder in ("base/users", *self.options.parts) for each in manifests(self.session, folder)]
        names = [name_of(each) for each in wanted]
        if connection is None:
            self.progress.say(f"Would create the users {' '.join(names)}")
            return
        self.cluster.check_rights("create the apps' users", [(verb, USER) for verb in ("get", "create", "patch")])
        for name in names:
            self._check(name)
        for each in wanted:
            self.cluster.apply(_for_listener(each, connection), dry_run=self.options.dry_run)
        if self.options.dry_run:
            self.progress.say(f"Would create or update the users {' '.join(names)}")
            return
        wait_until_ready(self.session, USER, names)
        self.progress.say(f"Users are Ready: {' '.join(names)}")

    def _check(self, name: str) -> None:
        existing = self.cluster.get(USER, name)
        cluster = label(existing, _CLUSTER) if existing else ""
        if cluster and cluster != self.session.kafka:
            raise EndedError(
                f"KafkaUser {name} in namespace {self.session.namespace} belongs to Kafka {cluster}, not to"
                f" {self.session.kafka}: use --cluster-name {cluster}, or another namespace"
            )

    def removal_rights(self) -> list[tuple[str, object]]:
        """See Component."""
        return [("delete", USER)] if self._strimzi.served else []

    def remove(self) -> None:
        """Remove the users; Strimzi removes their Secrets, passwords and ACLs."""
        found = self._find() if self._strimzi.served else []
        if not found:
            return
        if not self.options.dry_run:
            for name in found:
                self.cluster.delete(USER, name)
            wait_until_gone(self.session, lambda: [USER.named(name) for name in self._find()])
        self.session.removed(f"users {' '.join(found)}")

    def _find(self) -> list[str]:
        there = {name_of(each) for each in self.cluster.objects(USER, f"{_CLUSTER}={self.session.kafka}")}
        return [name for name in reversed(RELEASES) if name in there]


def _for_listener(manifest: Manifest, connection: Connection) -> Manifest:
    """Set the listener's kind of authentication; drop the ACLs where Kafka has no authorization."""
    spec: dict[str, Any] = {**manifest["spec"], "authentication": {"type": connection.authentication}}
    if not connection.authorizes:
        spec.pop("authorization", None)
    return {**manifest, "spec": spec}
