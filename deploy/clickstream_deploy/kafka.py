"""The Kafka cluster: found or made, Ready, and removed with its volumes when setup.sh made it."""

from clickstream_deploy.apps import RELEASES, TOPICS
from clickstream_deploy.cluster import ALL_NAMESPACES, namespace_state
from clickstream_deploy.component import Component
from clickstream_deploy.conditions import READY, in_words, state_of
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.leftovers import say_what_is_left, wait_for_operator
from clickstream_deploy.listeners import NONE, Connection, choose_listener
from clickstream_deploy.manifests import manifests
from clickstream_deploy.ownership import LABEL, MADE_BY, MAKER, is_marked, marked
from clickstream_deploy.resources import (
    CLAIM,
    CONFIG_MAP,
    KAFKA,
    POD,
    POOL,
    SECRET,
    SERVICE,
    STORAGE_CLASS,
    TOPIC,
    USER,
    Manifest,
    Resource,
    at,
    name_of,
    resource_of,
)
from clickstream_deploy.session import Session
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.waiting import wait_until_gone, wait_until_ready


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
        self._of_cluster = f"strimzi.io/cluster={self._name}"
        self._ours = f"{MADE_BY},app.kubernetes.io/instance={self._name}"
        self._folder = f"overlays/{self.options.with_kafka}/kafka"
        self._removes = False
        self._rack = ""

    # -- setup.sh

    def check(self) -> None:
        """See Component."""
        if self._strimzi.served:
            self._find()
        if self.options.with_kafka:
            self._check_making()

    def install(self) -> None:
        """See Component."""
        if self.options.install_operator and not self.options.dry_run:
            self._find()
        if self.options.with_kafka:
            self._make()
        if not self.found:
            return
        self.brokers = sum(
            int(at(each, "spec", "replicas") or 0)
            for each in self.cluster.objects(POOL, self._of_cluster)
            if "broker" in (at(each, "spec", "roles") or [])
        )
        self._wait()
        kafka = self.kafka()
        self.connection = choose_listener(kafka, self.session.namespace, self.progress)
        self._check_entity_operator(kafka, self.connection)

    def kafka(self) -> Manifest:
        """The Kafka resource."""
        found = self.cluster.get(KAFKA, self._name)
        if found is None:
            raise EndedError(f"Kafka {self._name} in namespace {self.session.namespace} was removed")
        return found

    def _find(self) -> None:
        """Raises EndedError when there is no Kafka and none was asked for."""
        namespace, name = self.session.namespace, self._name
        self.found = False
        state = namespace_state(self.cluster)
        if state == "going":
            raise EndedError(
                f"namespace {namespace} is being deleted: wait until it is gone (kubectl get namespace {namespace})"
            )
        here: list[str] = []
        if state == "there":
            self.cluster.check_rights("see Kafka", [("get", KAFKA), ("list", KAFKA), ("list", POOL)])
            here = [name_of(each) for each in self.cluster.objects(KAFKA)]
        if name in here:
            self.found = True
            return
        makes = f"--with-kafka dev (or eks) makes {name}"
        if self.options.with_kafka:
            return
        if here:
            raise EndedError(
                f"there is no Kafka {name} in namespace {namespace}: choose with --cluster-name one of those that are:"
                f" {' '.join(here)}; or {makes}"
            )
        kafkas = self.cluster.seen_objects(KAFKA, namespace=ALL_NAMESPACES)
        elsewhere = " ".join(f"{each['metadata']['namespace']}/{name_of(each)}" for each in kafkas)
        if elsewhere:
            raise EndedError(
                f"there is no Kafka in namespace {namespace}, but there are (namespace/name) {elsewhere}: choose one"
                f" with --namespace and --cluster-name; or {makes} in {namespace}"
            )
        raise EndedError(
            f"there is no Kafka in namespace {namespace}: ./setup.sh --with-kafka dev (one node) or --with-kafka eks"
            f" (three brokers) makes {name}"
        )

    def _check_making(self) -> None:
        """Raises EndedError when --with-kafka can't work here."""
        option, name, namespace = f"--with-kafka={self.options.with_kafka}", self._name, self.session.namespace
        wanted = manifests(self.session, self._folder)
        if self.found:
            if not is_marked(self.cluster.seen(KAFKA, name)):
                return
            pools = {name_of(each) for each in wanted if each["kind"] == "KafkaNodePool"}
            for each in self.cluster.objects(POOL, self._of_cluster):
                if name_of(each) not in pools:
                    raise EndedError(
                        f"{option}: Kafka {name} was made another way, with node pool {name_of(each)}: leave"
                        " --with-kafka out, or remove it and its data first with ./cleanup.sh --delete-kafka"
                    )
            return
        self._strimzi.check_new_kafka()
        kinds = (KAFKA, POOL, CONFIG_MAP)
        self.cluster.check_rights("create Kafka", [("create", each) for each in kinds])
        if self.cluster.seen_objects(CLAIM, self._of_cluster):
            raise EndedError(
                f"volumes of an earlier Kafka {name} are still there, and a new one would not start with them: remove"
                f" them and their data with kubectl delete pvc -n {namespace} -l {self._of_cluster}"
            )
        self._check_storage_classes(option, wanted)

    def _check_storage_classes(self, option: str, wanted: list[Manifest]) -> None:
        """Skipped when this user may not read storage classes."""
        volumes = [volume for each in wanted for volume in at(each, "spec", "storage", "volumes") or []]
        needed = sorted({volume["class"] for volume in volumes if "class" in volume})
        try:
            classes = [name_of(each) for each in self.cluster.objects(STORAGE_CLASS)]
        except ApiError:
            return
        for each in needed:
            if each not in classes:
                raise EndedError(
                    f"{option} needs the storage class {each}, and this cluster has {' '.join(classes) or 'none'}:"
                    " create it first (docs/deploy.md), or use --with-kafka dev"
                )

    def _make(self) -> None:
        """Create or change Kafka; one that setup.sh did not make is used as it is."""
        say, name = self.progress.say, self._name
        if self.found and not is_marked(self.kafka()):
            say(f"Kafka {name} is there already, and setup.sh did not make it: used as it is")
            return
        if self.options.dry_run:
            if not self.found:
                say(f"Would create Kafka {name} as in strimzi/{self._folder}")
            return
        for each in manifests(self.session, self._folder):
            done = self.cluster.apply(marked(each, name))
            if done != "unchanged":
                self.progress.detail(f"{resource_of(each).named(name_of(each))} {done}")
        if not self.found:
            say(f"Kafka {name} created as in strimzi/{self._folder}")
        self.found = True

    def _wait(self) -> None:
        if self.options.dry_run:
            state = state_of(self.kafka())
            if state != READY:
                self.progress.say(f"Would wait until Kafka {self._name} is Ready: {in_words(state)}")
                return
        else:
            wait_until_ready(self.session, KAFKA, [self._name])
        version = at(self.kafka(), "status", "kafkaVersion")
        self.progress.say(
            f"Kafka {self._name}{f' ({version})' if version else ''} is Ready, with {self.brokers}"
            f" broker{'' if self.brokers == 1 else 's'}"
        )

    def _check_entity_operator(self, kafka: Manifest, connection: Connection) -> None:
        """Raises EndedError when no operator manages KafkaTopics, or KafkaUsers where they are needed."""
        edit = f"(kubectl edit kafka {self._name} -n {self.session.namespace})"
        operators = at(kafka, "spec", "entityOperator") or {}
        if operators.get("topicOperator") is None:
            raise EndedError(
                f"Kafka {self._name} runs without a topic operator: add spec.entityOperator.topicOperator: {{}} {edit}"
            )
        if operators.get("userOperator") is None and connection.authentication != NONE:
            raise EndedError(
                f"listener {connection.listener} of Kafka {self._name} asks for users, but there is no user operator:"
                f" add spec.entityOperator.userOperator: {{}} {edit}"
            )

    # -- cleanup.sh

    def look(self) -> None:
        """See Component."""
        kafka = self.cluster.get(KAFKA, self._name) if self._strimzi.served else None
        self.found = kafka is not None
        self._rack = str(at(kafka, "spec", "kafka", "rack", "topologyKey") or "")
        ours = is_marked(kafka)
        self._strimzi.kafka_stays = self.found and not (ours and self.options.delete_kafka)
        if not self.options.delete_kafka:
            return
        if self.found and not ours:
            if not self.options.everything:
                raise EndedError(
                    f"--delete-kafka: setup.sh did not make Kafka {self._name} in namespace {self.session.namespace},"
                    " so cleanup.sh does not remove it (kubectl delete kafkanodepool,kafka ... does)"
                )
            return
        others = self._serves_others()
        if others:
            option = "--all" if self.options.everything else "--delete-kafka"
            raise EndedError(
                f"Kafka {self._name} also serves {', '.join(others)}: remove them first, or leave out {option}"
            )
        self._removes = True

    def removal_rights(self) -> list[tuple[str, object]]:
        """See Component."""
        if not (self._strimzi.served and self._removes):
            return []
        return [("delete", KAFKA), ("delete", POOL), ("delete", CLAIM), ("patch", CLAIM)]

    def remove(self) -> None:
        """Remove Kafka with its volumes: a new Kafka of the same name could not start with the old ones."""
        if not self.options.delete_kafka:
            self._keep()
        elif not self._removes:
            self.progress.say(f"Kept: Kafka {self._name}, which setup.sh did not make")
        elif self._strimzi.served:
            self._remove()

    def say_what_is_left(self) -> None:
        """Report the remains of this Kafka, or of an earlier one."""
        if self._removes and not self.options.dry_run:
            say_what_is_left(self.session, has_rack=bool(self._rack))

    def _serves_others(self) -> list[str]:
        """Return the cluster's topics and users that are not Clickstream's."""
        if not self._strimzi.served:
            return []
        found = [(kind, each) for kind in (TOPIC, USER) for each in self.cluster.seen_objects(kind, self._of_cluster)]
        foreign = [(kind, name_of(each)) for kind, each in found if name_of(each) not in (*TOPICS, *RELEASES)]
        return [f"{kind.kind.lower()}/{name}" for kind, name in foreign]

    def _keep(self) -> None:
        if self.found and is_marked(self.kafka()):
            self.progress.say(f"Kept: Kafka {self._name}")
            again = f"./cleanup.sh{self.options.place()} --delete-kafka"
            self.progress.detail(f"{again} removes it, with all its data")

    def _remove(self) -> None:
        cluster, ours, of_cluster = self.cluster, self._ours, self._of_cluster
        what = f"Kafka {self._name} and its volumes"
        there = bool(cluster.names([POOL, KAFKA, CONFIG_MAP], ours))
        if self.options.dry_run:
            if there:
                self.session.removed(what)
            return
        if there:
            # Marked first: should this be interrupted, the next cleanup.sh still knows whose volumes they are.
            for each in cluster.objects(CLAIM, of_cluster):
                cluster.patch(CLAIM, name_of(each), {"metadata": {"labels": {LABEL: MAKER}}})
            for kind in (POOL, KAFKA, CONFIG_MAP):
                for each in cluster.objects(kind, ours):
                    cluster.delete(kind, name_of(each))
        self._wait_until_gone([POD], of_cluster)
        self._wait_until_gone([POOL, KAFKA], ours)
        our_claims = f"{of_cluster},{MADE_BY}"
        claims = cluster.objects(CLAIM, our_claims)
        there = there or bool(claims)
        for each in claims:
            cluster.delete(CLAIM, name_of(each))
        self._wait_until_gone([CLAIM], our_claims)
        of_operator = f"{of_cluster},{LABEL}=strimzi-cluster-operator"
        self._wait_until_gone([SERVICE, SECRET, CONFIG_MAP], of_operator)
        wait_for_operator(self.session, there=there)
        if there:
            self.session.removed(what)

    def _wait_until_gone(self, kinds: list[Resource], selector: str) -> None:
        wait_until_gone(self.session, lambda: self.cluster.names(kinds, selector))
