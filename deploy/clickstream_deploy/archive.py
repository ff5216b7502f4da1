"""The archive: Kafka Connect with its sink, and without --archive-bucket also the storage; its jobs are a release.

cleanup.sh removes the connector first, while a worker can end it, then Connect, then its users (see `users`). What was
archived stays, and with it the control topic: each snapshot names a position in it, and the sink leaves out what stands
before that position in a new one.
"""

import base64
import secrets

from clickstream_deploy import kinds
from clickstream_deploy.app_release import AppRelease, Processor
from clickstream_deploy.apps import ARCHIVE, CONTROL_TOPIC, App
from clickstream_deploy.archive_place import (
    CONNECT_NAME,
    KEYS,
    SECRET_NAME,
    STORAGE_NAME,
    Place,
    Surroundings,
    fitted,
    place_of,
    warehouse_of,
)
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import CLAIM, CONNECT, CONNECTOR, SECRET, STATEFUL_SET, STRIMZI, kind_of
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.objects import INSTANCE, MADE_BY, PART, Manifest, at, marked, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.values import Values
from clickstream_deploy.waiting import wait_for_pods, wait_until_gone, wait_until_ready

_OPTION = "archive"
_ELSEWHERE = ("KafkaTopic", "KafkaUser")  # see `topics` and `users`
_CLAIM = f"data-{STORAGE_NAME}-0"
_REST = (kinds.NETWORK_POLICY, STATEFUL_SET, kinds.SERVICE, kinds.CONFIG_MAP)


class Archive(Component):
    """KafkaConnect and KafkaConnector, and the storage in the cluster."""

    def __init__(self, session: Session, kafka: KafkaCluster, nodes: Nodes) -> None:
        super().__init__(session)
        self._kafka = kafka
        self._nodes = nodes
        self._wanted = _OPTION in self.options.parts
        self._ours = f"{MADE_BY},{INSTANCE}={session.kafka},{PART}=clickstream"
        self._there: list[str] = []

    @property
    def place(self) -> Place:
        """Where the archive is, once the region is known."""
        return place_of(self.options, self._region())

    # -- setup.sh

    def check(self) -> None:
        """Raises EndedError when Connect is not served, or the place can't be used."""
        if not self._wanted:
            return
        version = self.strimzi
        served = {each.name for each in self.cluster.serves(STRIMZI, version)} if version else set()
        missing = [kind.name for kind in (CONNECT, CONNECTOR) if kind.name not in served]
        if version and missing:
            raise EndedError(
                f"--archive: this cluster's Strimzi serves {STRIMZI}/{version} without {' and '.join(missing)}: install"
                " all of its definitions (kubectl get crd | grep strimzi shows those that are there)"
            )
        self._check_region()
        self._check_secret()
        self._check_earlier()

    def rights(self) -> list[str]:
        if not self._wanted:
            return []
        made = [CONNECT, CONNECTOR, kinds.CONFIG_MAP, kinds.NETWORK_POLICY]
        made += [kinds.SERVICE, STATEFUL_SET, SECRET] if self.place.is_dev else []
        return rights("get create patch", *made)

    def install(self) -> None:
        """Create what differs, and wait until the connector's task runs."""
        if not self._wanted:
            if self.strimzi and self.cluster.seen(CONNECT, CONNECT_NAME):
                self.say(f"KafkaConnect {CONNECT_NAME} is there and stays as it is (with --archive it is updated too)")
            return
        place, connection = self.place, self._kafka.connection
        if connection is None:
            self.say(f"Would create the archive as in strimzi/archive/{place.folder}")
            return
        version = at(self._kafka.kafka(), "status", "kafkaVersion") or ""
        on_nodes = self._nodes.values
        selector, annotations = on_nodes.get("nodeSelector", {}), on_nodes.get("podAnnotations", {})
        around = Surroundings(connection, version, self.strimzi, selector, annotations)
        found = self.manifests(f"archive/{place.folder}")
        wanted = [fitted(each, place, self.options, around) for each in found if each["kind"] not in _ELSEWHERE]
        if place.is_dev:
            self._create_secret()
        for each in wanted:
            if each["kind"] not in (CONNECT.name, CONNECTOR.name):
                self._apply(each)
        if place.is_dev and not self.options.dry_run:
            wait_for_pods(self.session, STORAGE_NAME, f"app.kubernetes.io/name={STORAGE_NAME}")
            self.say(f"{STORAGE_NAME} is Ready")
        for kind in (CONNECT, CONNECTOR):
            names = [name_of(each) for each in wanted if each["kind"] == kind.name]
            for each in wanted:
                if each["kind"] == kind.name:
                    self._apply(each)
            if not self.options.dry_run:
                wait_until_ready(self.session, kind, names)
                self.say(f"{kind.name} {' '.join(names)} is Ready")
        if self.options.dry_run:
            self.say(f"Would create or update the archive in {place.warehouse}, as in strimzi/archive/{place.folder}")

    def next_steps(self) -> str:
        if not self._wanted:
            return ""
        namespace = self.namespace
        text = f"""
  # The archive in {self.place.warehouse}: the first objects come after five minutes; its verification
  kubectl get kafkaconnector -n {namespace}
  kubectl create job verify-now --from=cronjob/{ARCHIVE}-verify -n {namespace}
  kubectl logs -f job/verify-now -n {namespace}
"""
        if not self.place.is_dev and not self.options.archive_secret:
            text += f"""
  # The rights on the bucket and on Glue, if these accounts don't have them yet (docs/archive.md)
  aws eks create-pod-identity-association --cluster-name CLUSTER --role-arn ROLE --namespace {namespace} \\
    --service-account {CONNECT_NAME}-connect
  aws eks create-pod-identity-association --cluster-name CLUSTER --role-arn ROLE --namespace {namespace} \\
    --service-account {ARCHIVE}
"""
        return text

    def _check_region(self) -> None:
        if self.options.archive_bucket and not self._region():
            raise EndedError(
                f"--archive-bucket={self.options.archive_bucket}: the nodes' labels don't say in which region they are;"
                " give --archive-region, such as eu-central-1"
            )

    def _check_secret(self) -> None:
        """A Secret that can't be read is left to the pods."""
        name = self.options.archive_secret
        found = self.cluster.seen_objects(SECRET, fields=f"metadata.name={name}") if name else []
        if not name or self.cluster.missing_rights(rights("list", SECRET)):
            return
        lacking = [key for key in KEYS if key not in (at(found[0], "data") or {})] if found else list(KEYS)
        if lacking:
            literals = " ".join(f"--from-literal={key}=..." for key in KEYS)
            raise EndedError(
                f"--archive-secret={name}: Secret {name} in namespace {self.namespace}"
                f" {'has no ' + ' and no '.join(lacking) if found else 'does not exist'}: kubectl create secret generic"
                f" {name} -n {self.namespace} {literals}"
            )

    def _check_earlier(self) -> None:
        """Raises EndedError when the place can't take what would be archived."""
        there = self.cluster.seen(CONNECT, CONNECT_NAME) if self.strimzi else None
        if there:
            in_cluster = self.cluster.seen(STATEFUL_SET, STORAGE_NAME) is not None
            earlier, wanted = (
                _in_words(warehouse_of(there), in_cluster),
                _in_words(self.place.warehouse, self.place.is_dev),
            )
            if earlier != wanted:
                raise EndedError(
                    f"KafkaConnect {CONNECT_NAME} archives to {earlier}, and not to {wanted}, where the archive would"
                    " begin in the middle: use the options of the last time, or remove it first with ./cleanup.sh"
                )
        control = self.cluster.seen(kinds.TOPIC, CONTROL_TOPIC) if self.strimzi else None
        if self.place.is_dev and control is None and self.cluster.seen(CLAIM, _CLAIM):
            raise EndedError(
                f"volume {_CLAIM} holds the archive of an earlier Kafka, whose records can't be told from a new"
                f" one's: remove it with kubectl delete pvc {_CLAIM} -n {self.namespace}"
            )

    def _region(self) -> str:
        return self.options.archive_region or self._nodes.region

    def _create_secret(self) -> None:
        """The key of the storage, which is never changed: SeaweedFS and all that use it read it at their start."""
        if self.cluster.objects(SECRET, fields=f"metadata.name={SECRET_NAME}"):
            return
        if self.options.dry_run:
            self.say(f"Would create the secret {SECRET_NAME}")
            return
        values = dict(zip(KEYS, ("clickstream", secrets.token_hex(32)), strict=True))
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET_NAME}, "data": data}
        self.cluster.create(self._marked(secret))
        self.say(f"Secret {SECRET_NAME} created")

    def _apply(self, manifest: Manifest) -> None:
        done = self.cluster.apply(self._marked(manifest), dry_run=self.options.dry_run)
        if done != "unchanged" and not self.options.dry_run:
            self.detail(f"{kind_of(manifest).named(name_of(manifest))} {done}")

    def _marked(self, manifest: Manifest) -> Manifest:
        found = marked(manifest, self.session.kafka)
        found["metadata"]["labels"][PART] = "clickstream"
        return found

    # -- cleanup.sh

    def look(self) -> None:
        self._there = self._find(CONNECTOR, CONNECT) if self.strimzi else []
        self._there += self._find(*_REST)

    def removal_rights(self) -> list[str]:
        removed = [*((CONNECTOR, CONNECT) if self.strimzi else ()), *_REST] if self._there else []
        return rights("list delete", *removed, *((SECRET, CLAIM) if self.options.delete_archive else ()))

    def remove(self) -> None:
        """Remove the connector, then Connect, then the storage; its volume and key only when asked."""
        bucket = warehouse_of(self.cluster.seen(CONNECT, CONNECT_NAME)) if self.strimzi else ""
        if self._there and not self.options.dry_run:
            for group in ((CONNECTOR,), (CONNECT,), _REST):
                self._delete(*group)
            workers = f"strimzi.io/cluster={CONNECT_NAME},strimzi.io/kind=KafkaConnect"
            wait_until_gone(self.session, lambda: self.cluster.names([kinds.POD], workers))
        if self._there:
            self.session.removed(f"the archive's Kafka Connect ({', '.join(self._there)})")
        self._remove_data(bucket)

    def _remove_data(self, bucket: str) -> None:
        claim = self.cluster.seen(CLAIM, _CLAIM)
        if claim is None:
            if bucket:
                self.say(f"Kept: {bucket}, with what was archived (aws s3 rb {bucket} --force removes a bucket)")
            return
        if not self.options.delete_archive:
            self.say(f"Kept: volume {_CLAIM}, with what was archived")
            self.detail(f"./cleanup.sh{self.options.place()} --delete-archive removes it")
            return
        if not self.options.dry_run:
            self.cluster.delete(CLAIM, _CLAIM)
            self.cluster.delete(SECRET, SECRET_NAME)
            wait_until_gone(self.session, lambda: [CLAIM.named(_CLAIM)] if self.cluster.seen(CLAIM, _CLAIM) else [])
        self.session.removed(f"volume {_CLAIM}, with what was archived")

    def _find(self, *found: kinds.Kind) -> list[str]:
        return self.cluster.names(found, self._ours)

    def _delete(self, *group: kinds.Kind) -> None:
        for kind in group:
            for each in self.cluster.seen_objects(kind, self._ours):
                self.cluster.delete(kind, name_of(each))
        wait_until_gone(self.session, lambda: self._find(*group))


def _in_words(warehouse: str, in_cluster: bool) -> str:
    return "storage in the cluster" if in_cluster else warehouse


_RECOUNTED_BY = {
    "GROUP_ID": "groupId",
    "WINDOW_TIME": "windowTime",
    "OUT_OF_ORDERNESS": "outOfOrderness",
    "ALLOWED_LATENESS": "allowedLateness",
    "IDLE_TIMEOUT": "idleTimeout",
    "MAX_CLOCK_SKEW": "maxClockSkew",
}


class ArchiveJobs(AppRelease):
    """The release of the jobs, where the archive is; its verification recounts by the processor's settings."""

    def __init__(self, archive: Archive, processor: Processor, kafka: KafkaCluster, nodes: Nodes, app: App) -> None:
        super().__init__(archive.session, kafka, nodes, app)
        self._archive = archive
        self._processor = processor

    def _found(self) -> list[Values | str]:
        environment = self._processor.environment()
        rules = {value: environment[name] for name, value in _RECOUNTED_BY.items() if name in environment}
        first, *others = super()._found()
        return [first, {"processor": rules, **self._archive.place.values()}, *others]
