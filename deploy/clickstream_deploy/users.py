"""The apps' users, where the listener asks for them. They have the names of the releases."""

from clickstream_deploy.apps import RELEASES
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import USER
from clickstream_deploy.listeners import NONE, Connection
from clickstream_deploy.manifests import manifests
from clickstream_deploy.objects import OF_KAFKA, Manifest, label, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.waiting import wait_until_gone, wait_until_ready


class Users(Component):
    """The KafkaUsers of the apps to be installed; those of an optional app are in strimzi/OPTION."""

    def __init__(self, session: Session, strimzi: Strimzi, kafka: KafkaCluster) -> None:
        super().__init__(session)
        self._strimzi = strimzi
        self._kafka = kafka

    def install(self) -> None:
        """Create the users and wait until they are Ready, and so have their Secrets."""
        connection = self._kafka.connection
        if connection is not None and connection.authentication == NONE:
            self.say(f"No users: listener {connection.listener} asks for none")
            return
        wanted = [each for folder in ("base/users", *self.options.parts) for each in manifests(self.session, folder)]
        names = [name_of(each) for each in wanted]
        if connection is None:
            self.say(f"Would create the users {' '.join(names)}")
            return
        self.cluster.check_rights("create the apps' users", rights("get create patch", USER))
        for name in names:
            existing = self.cluster.get(USER, name)
            if existing and label(existing, OF_KAFKA):
                self._kafka.check_owns(existing)
        for each in wanted:
            self.cluster.apply(_for_listener(each, connection), dry_run=self.options.dry_run)
        if self.options.dry_run:
            self.say(f"Would create or update the users {' '.join(names)}")
            return
        wait_until_ready(self.session, USER, names)
        self.say(f"Users are Ready: {' '.join(names)}")

    def removal_rights(self) -> list[str]:
        return [f"delete {USER}"] if self._strimzi.version else []

    def remove(self) -> None:
        """Remove the users; Strimzi removes their Secrets, passwords and ACLs."""
        found = self._find()
        if not found:
            return
        if not self.options.dry_run:
            for name in found:
                self.cluster.delete(USER, name)
            wait_until_gone(self.session, lambda: [USER.named(name) for name in self._find()])
        self.session.removed(f"users {' '.join(found)}")

    def _find(self) -> list[str]:
        return self._kafka.own_objects(USER, RELEASES[::-1])


def _for_listener(manifest: Manifest, connection: Connection) -> Manifest:
    """Set the listener's kind of authentication; drop the ACLs where Kafka has no authorization."""
    spec = {**manifest["spec"], "authentication": {"type": connection.authentication}}
    if not connection.authorizes:
        spec.pop("authorization", None)
    return {**manifest, "spec": spec}
