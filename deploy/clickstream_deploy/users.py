"""The apps' users, where the listener asks for them. They have the names of the releases; Kafka Connect has one too."""

from clickstream_deploy.apps import ROOT, USERS
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import USER
from clickstream_deploy.listeners import NONE
from clickstream_deploy.objects import OF_KAFKA, label, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import wait_until_gone, wait_until_ready


class Users(Component):
    """The KafkaUsers of the apps to be installed; those of an optional app are in strimzi/OPTION, or users/ in it."""

    def __init__(self, session: Session, kafka: KafkaCluster) -> None:
        super().__init__(session)
        self._kafka = kafka

    def install(self) -> None:
        """Create the users and wait until they are Ready, and so have their Secrets."""
        connection = self._kafka.connection
        if connection and connection.authentication == NONE:
            self.say(f"No users: listener {connection.listener} asks for none")
            return
        folders = ["base/users", *(_folder(part) for part in self.options.parts)]
        wanted = [each for folder in folders for each in self.manifests(folder)]
        names = [name_of(each) for each in wanted]
        if not connection:
            self.say(f"Would create the users {' '.join(names)}")
            return
        self.cluster.check_rights("create the apps' users", rights("get create patch", USER))
        for existing in filter(None, (self.cluster.get(USER, name) for name in names)):
            if label(existing, OF_KAFKA):
                self._kafka.check_owns(existing)
        for each in wanted:
            each["spec"]["authentication"] = {"type": connection.authentication}
            if not connection.authorizes:
                each["spec"].pop("authorization", None)  # there are no ACLs
            self.cluster.apply(each, dry_run=self.options.dry_run)
        if self.options.dry_run:
            self.say(f"Would create or update the users {' '.join(names)}")
            return
        wait_until_ready(self.session, USER, names)
        self.say(f"Users are Ready: {' '.join(names)}")

    def removal_rights(self) -> list[str]:
        return [f"delete {USER}"] if self.strimzi else []

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
        return self._kafka.own_objects(USER, USERS[::-1])


def _folder(part: str) -> str:
    return f"{part}/users" if (ROOT / "strimzi" / part / "users").is_dir() else part
