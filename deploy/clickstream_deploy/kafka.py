"""The Kafka cluster: found or made, Ready, and removed with its volumes when setup.sh made it."""

from collections.abc import Sequence

from clickstream_deploy import kinds
from clickstream_deploy.apps import ALL_TOPICS, USERS
from clickstream_deploy.cluster import ALL_NAMESPACES, rights
from clickstream_deploy.component import Component
from clickstream_deploy.conditions import READY, state_of
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import running_operators
from clickstream_deploy.kinds import Kind, kind_of
from clickstream_deploy.leftovers import say_what_is_left, wait_for_operator
from clickstream_deploy.listeners import NONE, Connection, choose_listener
from clickstream_deploy.objects import INSTANCE, MADE_BY, MARK, OF_KAFKA, Manifest, at, is_marked, marked, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.waiting import remove_all, wait_until_gone, wait_until_ready


class KafkaCluster(Component):
    """The Kafka resource and its node pools."""

    def __init__(self, session: Session, strimzi: Strimzi) -> None:
        super().__init__(session)
        self.found = False
        """Whether it is there; if not, --with-kafka makes it."""
        self.brokers = 0
        self.connection: Connection | None = None
        """How the apps reach it, once it is Ready."""
        self._strimzi = strimzi
        self._name = session.kafka
        self._of_cluster = f"{OF_KAFKA}={self._name}"
        self._ours = f"{MADE_BY},{INSTANCE}={self._name}"
        self._folder = f"overlays/{self.options.with_kafka}/kafka"
        self._removes = False
        self._has_rack = False

    # -- setup.sh

    def check(self) -> None:
        if self.strimzi:
            self._find()
        if self.options.with_kafka:
            self._check_making()

    def rights(self) -> list[str]:
        makes = self.options.with_kafka and not self.found
        return rights("create", kinds.KAFKA, kinds.POOL, kinds.CONFIG_MAP) if makes else []

    def install(self) -> None:
        if self.options.install_operator and not self.options.dry_run:
            self._find()
        if self.options.with_kafka:
            self._make()
        if not self.found:
            return
        pools = self.cluster.objects(kinds.POOL, self._of_cluster)
        brokers = [each for each in pools if "broker" in (at(each, "spec", "roles") or [])]
        self.brokers = sum(int(at(each, "spec", "replicas") or 0) for each in brokers)
        self._wait()
        kafka = self.kafka()
        self.connection = choose_listener(kafka, self.namespace, self.session.progress)
        self._check_entity_operator(kafka, self.connection)

    def kafka(self) -> Manifest:
        """The Kafka resource."""
        found = self.cluster.get(kinds.KAFKA, self._name)
        if found is None:
            raise EndedError(f"Kafka {self._name} in namespace {self.namespace} was removed")
        return found

    def check_owns(self, existing: Manifest) -> None:
        """Raises EndedError when a KafkaTopic or a KafkaUser belongs to another Kafka."""
        owner = at(existing, "metadata", "labels", OF_KAFKA)
        if owner != self._name:
            what = f"{existing['kind']} {name_of(existing)} in namespace {self.namespace} belongs to"
            use = f"use --cluster-name {owner or 'NAME'}, or another namespace"
            raise EndedError(f"{what} Kafka {owner or 'without a label'}, not to {self._name}: {use}")

    def own_objects(self, kind: Kind, names: Sequence[str]) -> list[str]:
        """Return those of the names that are there and belong to this Kafka."""
        found = self.cluster.objects(kind, self._of_cluster) if self.strimzi else []
        there = {name_of(each) for each in found}
        return [name for name in names if name in there]

    def _find(self) -> None:
        """Raises EndedError when there is no Kafka and none was asked for."""
        here = self._here()
        self.found = self._name in here
        if self.found or self.options.with_kafka:
            return
        makes = f"./setup.sh{self.options.place()} --with-kafka dev (one node) or --with-kafka eks (three brokers)"
        if here:
            raise EndedError(
                f"there is no Kafka {self._name} in namespace {self.namespace}: choose with --cluster-name one of those"
                f" that are: {' '.join(here)}; or {makes} makes {self._name}"
            )
        kafkas = self.cluster.seen_objects(kinds.KAFKA, namespace=ALL_NAMESPACES)
        elsewhere = " ".join(f"{each['metadata']['namespace']}/{name_of(each)}" for each in kafkas)
        others = f", but there are (namespace/name) {elsewhere}: choose one with --namespace and --cluster-name; or"
        where = f"namespace {self.namespace}{others if elsewhere else ':'}"
        raise EndedError(f"there is no Kafka in {where} {makes} makes {self._name}")

    def _here(self) -> list[str]:
        """Return the Kafkas of the namespace. A namespace that this user may not read counts as there."""
        try:
            namespace = self.cluster.get(kinds.NAMESPACE, self.namespace)
        except ApiError:
            namespace = {}
        if namespace is None:
            return []
        if at(namespace, "metadata", "deletionTimestamp"):
            name = f"namespace {self.namespace}"
            raise EndedError(f"{name} is being deleted: wait until it is gone (kubectl get {name})")
        self.cluster.check_rights("see Kafka", [*rights("get list", kinds.KAFKA), f"list {kinds.POOL}"])
        return [name_of(each) for each in self.cluster.objects(kinds.KAFKA)]

    def _check_making(self) -> None:
        """Raises EndedError when --with-kafka can't work here."""
        option, name = f"--with-kafka={self.options.with_kafka}", self._name
        wanted = self.manifests(self._folder)
        if self.found:
            pools = {name_of(each) for each in wanted if each["kind"] == kinds.POOL.name}
            there = {name_of(each) for each in self.cluster.objects(kinds.POOL, self._of_cluster)}
            if is_marked(self.kafka()) and not there <= pools:
                raise EndedError(
                    f"{option}: Kafka {name} was made another way, with node pool {' '.join(sorted(there - pools))}:"
                    " leave --with-kafka out, or remove it and its data first with ./cleanup.sh --delete-kafka"
                )
            return
        self._strimzi.check_new_kafka()
        if self.cluster.seen_objects(kinds.CLAIM, self._of_cluster):
            raise EndedError(
                f"volumes of an earlier Kafka {name} are still there, and a new one would not start with them: remove"
                f" them and their data with kubectl delete pvc -n {self.namespace} -l {self._of_cluster}"
            )
        volumes = [volume for each in wanted for volume in at(each, "spec", "storage", "volumes") or []]
        try:
            classes = [name_of(each) for each in self.cluster.objects(kinds.STORAGE_CLASS)]
        except ApiError:  # this user may not read storage classes
            return
        missing = sorted({volume["class"] for volume in volumes if "class" in volume} - set(classes))
        if missing:
            raise EndedError(
                f"{option} needs the storage class {missing[0]}, and this cluster has {' '.join(classes) or 'none'}:"
                " create it first (docs/deploy.md), or use --with-kafka dev"
            )

    def _make(self) -> None:
        """Create or change Kafka; one that setup.sh did not make is used as it is."""
        if self.found and not is_marked(self.kafka()):
            self.say(f"Kafka {self._name} is there already, and setup.sh did not make it: used as it is")
            return
        if self.options.dry_run:
            if not self.found:
                self.say(f"Would create Kafka {self._name} as in strimzi/{self._folder}")
            return
        for each in self.manifests(self._folder):
            done = self.cluster.apply(marked(each, self._name))
            if done != "unchanged":
                self.detail(f"{kind_of(each).named(name_of(each))} {done}")
        if not self.found:
            self.say(f"Kafka {self._name} created as in strimzi/{self._folder}")
        self.found = True

    def _wait(self) -> None:
        if not self.options.dry_run:
            wait_until_ready(self.session, kinds.KAFKA, [self._name])
        kafka = self.kafka()
        state = state_of(kafka)
        if self.options.dry_run and state != READY:
            self.say(f"Would wait until Kafka {self._name} is Ready: {state}")
            return
        version = at(kafka, "status", "kafkaVersion")
        brokers = f"{self.brokers} broker{'' if self.brokers == 1 else 's'}"
        self.say(f"Kafka {self._name}{f' ({version})' if version else ''} is Ready, with {brokers}")

    def _check_entity_operator(self, kafka: Manifest, connection: Connection) -> None:
        """Raises EndedError when no operator manages KafkaTopics, or KafkaUsers where they are needed."""
        operators = at(kafka, "spec", "entityOperator") or {}
        wanted = {"topicOperator": "topics"}
        if connection.authentication != NONE:
            wanted["userOperator"] = f"users, for which listener {connection.listener} asks"
        for operator, what in wanted.items():
            if operators.get(operator) is None:
                add = f"add spec.entityOperator.{operator}: {{}} (kubectl edit kafka {self._name} -n {self.namespace})"
                raise EndedError(f"Kafka {self._name} runs without an operator for {what}: {add}")

    # -- cleanup.sh

    def look(self) -> None:
        kafka = self.cluster.get(kinds.KAFKA, self._name) if self.strimzi else None
        self.found, ours = kafka is not None, is_marked(kafka)
        self._has_rack = bool(at(kafka, "spec", "kafka", "rack", "topologyKey"))
        self._removes = self.options.delete_kafka and (ours or not self.found)
        self._strimzi.kafka_stays = self.found and not self._removes
        if self._removes:
            others, option = self._serves_others(), "--all" if self.options.everything else "--delete-kafka"
            if others:
                also = f"Kafka {self._name} also serves {', '.join(others)}"
                raise EndedError(f"{also}: remove them first, or leave out {option}")
        elif self.options.delete_kafka and not self.options.everything:
            raise EndedError(
                f"--delete-kafka: setup.sh did not make Kafka {self._name} in namespace {self.namespace}, so cleanup.sh"
                " does not remove it (kubectl delete kafkanodepool,kafka ... does)"
            )

    def removal_rights(self) -> list[str]:
        if not (self.strimzi and self._removes):
            return []
        return [*rights("delete", kinds.KAFKA, kinds.POOL, kinds.CLAIM), f"patch {kinds.CLAIM}"]

    def remove(self) -> None:
        """Remove Kafka with its volumes: a new Kafka of the same name could not start with the old ones."""
        if self._removes:
            if self.strimzi:
                self._remove()
        elif self.options.delete_kafka:
            self.say(f"Kept: Kafka {self._name}, which setup.sh did not make")
        elif self.found and is_marked(self.kafka()):
            self.say(f"Kept: Kafka {self._name}")
            self.detail(f"./cleanup.sh{self.options.place()} --delete-kafka removes it, with all its data")

    def say_what_is_left(self) -> None:
        """Report the remains of this Kafka, or of an earlier one."""
        if self._removes and not self.options.dry_run:
            say_what_is_left(self.session, has_rack=self._has_rack)

    def _serves_others(self) -> list[str]:
        """Return the cluster's topics and users that are not Clickstream's."""
        own = (kinds.TOPIC, kinds.USER) if self.strimzi else ()
        found = [each for kind in own for each in self.cluster.seen_objects(kind, self._of_cluster)]
        others = [each for each in found if name_of(each) not in (*ALL_TOPICS, *USERS)]
        return [f"{each['kind'].lower()}/{name_of(each)}" for each in others]

    def _remove(self) -> None:
        cluster, own = self.cluster, (kinds.POOL, kinds.KAFKA, kinds.CONFIG_MAP)
        there = bool(cluster.names(own, self._ours))
        if not self.options.dry_run:
            if there:
                # Marked first: should this be interrupted, the next cleanup.sh still knows whose volumes they are.
                for each in cluster.objects(kinds.CLAIM, self._of_cluster):
                    cluster.patch(kinds.CLAIM, name_of(each), MARK)
                remove_all(self.session, own, self._ours)
            self._wait_until_gone(self._of_cluster, kinds.POD)
            there = remove_all(self.session, [kinds.CLAIM], f"{self._of_cluster},{MADE_BY}") or there
            of_operator = f"{self._of_cluster},app.kubernetes.io/managed-by=strimzi-cluster-operator"
            self._wait_until_gone(of_operator, kinds.SERVICE, kinds.SECRET, kinds.CONFIG_MAP)
            if there or running_operators(self.session):
                wait_for_operator(self.session)
        if there:
            self.session.removed(f"Kafka {self._name} and its volumes")

    def _wait_until_gone(self, selector: str, *gone: Kind) -> None:
        wait_until_gone(self.session, lambda: self.cluster.names(gone, selector))
