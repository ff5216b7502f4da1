"""Strimzi itself: its resource definitions and, when asked for, its operator."""

import os

from clickstream_deploy import kinds
from clickstream_deploy.cluster import ALL_NAMESPACES, rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import running_operators
from clickstream_deploy.namespaces import create_namespace, remove_namespace
from clickstream_deploy.objects import MADE_BY, MAKER, MARK, OF_KAFKA, at, condition, is_marked, label, name_of
from clickstream_deploy.pods import OPERATOR, Watch
from clickstream_deploy.release import Release
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import remove_all

# A mirror, where the cluster has no way out, is named by the environment.
STRIMZI_CHART = os.environ.get("STRIMZI_CHART") or "oci://quay.io/strimzi-helm/strimzi-kafka-operator"
STRIMZI_VERSION = os.environ.get("STRIMZI_VERSION") or "1.2.0"
OPERATOR_NAMESPACE = "strimzi"
OPERATOR_NAME = "strimzi-cluster-operator"

_UPGRADING = "(https://strimzi.io/docs/operators/latest/deploying#assembly-upgrade-str)"
_VERSIONS = ("v1", "v1beta2")
_KINDS = (kinds.KAFKA, kinds.POOL, kinds.TOPIC, kinds.USER)


class Strimzi(Component):
    """Its definitions, of which the newest version that is served is used, and its operator."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.kafka_stays = False
        """Whether cleanup.sh keeps the Kafka cluster, and so what serves it."""
        self._operator = Release(session, OPERATOR_NAMESPACE, OPERATOR_NAME, "Strimzi's operator")

    # -- setup.sh

    def check(self) -> None:
        self._find_version()
        if self.strimzi:
            self.say(f"Strimzi: {kinds.STRIMZI}/{self.strimzi}")
        elif not self.options.install_operator:
            self._refuse_missing()
        served = self._served() if self.options.install_operator and self.strimzi != "v1" else ""
        if served:
            other = f"definitions of another Strimzi ({served}), which helm would leave as they are"
            self._refuse(f"--install-operator: this cluster has {other}", "instead ")

    def rights(self) -> list[str]:
        """What the operator's chart makes is not confined to a namespace."""
        made = rights("create", kinds.NAMESPACE, kinds.DEFINITION, kinds.ROLE, kinds.BINDING)
        return [*made, f"list {kinds.DEPLOYMENT}"] if self.options.install_operator else []

    def check_new_kafka(self) -> None:
        """Raises EndedError when the manifests of a new Kafka, which are in v1, don't fit."""
        if self.strimzi not in ("", "v1"):
            self._refuse(
                f"--with-kafka={self.options.with_kafka}: this cluster's Strimzi serves {self._served()}, and a new"
                " Kafka needs v1 (or use a Kafka that is there)"
            )

    def install(self) -> None:
        """Install the operator unless one exists."""
        if not self.options.install_operator:
            return
        operators = running_operators(self.session)
        if operators and (operators != [f"{OPERATOR_NAMESPACE}/{OPERATOR_NAME}"] or self._is_available()):
            self.say(f"Strimzi's operator is there already ({', '.join(operators)}): nothing to install")
            return
        where = f"Strimzi {STRIMZI_VERSION} in namespace {OPERATOR_NAMESPACE}"
        if self.options.dry_run:
            self.say(f"Would install {where} ({STRIMZI_CHART})")
            return
        self.say(f"Installing {where}")
        create_namespace(self.session, OPERATOR_NAMESPACE)
        arguments = [
            "--version", STRIMZI_VERSION, "--set", "watchAnyNamespace=true",
            "--set-string", f"labels.app\\.kubernetes\\.io/managed-by={MAKER}",
        ]  # fmt: skip
        watch = Watch(self.session, OPERATOR, f"name={OPERATOR_NAME}", OPERATOR_NAMESPACE)
        self._operator.install(STRIMZI_CHART, arguments, watch, "its chart is fetched, and its pod made")
        if not self.strimzi:
            for each in self.cluster.objects(kinds.DEFINITION, "app=strimzi"):
                self.cluster.patch(kinds.DEFINITION, name_of(each), MARK)
        self._find_version()
        self.say("Strimzi's operator runs")

    def _find_version(self) -> None:
        """Use the newest version in which all kinds are served."""
        version = next((each for each in _VERSIONS if not self._missing(each)), "")
        if version:
            self.cluster.versions[kinds.STRIMZI] = version

    def _missing(self, version: str) -> list[str]:
        served = {each.name for each in self.cluster.serves(kinds.STRIMZI, version)}
        return [kind.name for kind in _KINDS if kind.name not in served]

    def _served(self) -> str:
        """Return the versions that are served, as kafka.strimzi.io/v1beta2; "" for none."""
        try:
            versions = self.cluster.groups().get(kinds.STRIMZI)
        except ApiError:
            return ""
        return f"{kinds.STRIMZI}/{' '.join(versions)}" if versions else ""

    def _refuse_missing(self) -> None:
        served = self._served()
        if served:
            self._refuse(f"this cluster's Strimzi serves {served} without v1 of {' '.join(self._missing('v1'))}")
        raise EndedError(
            f"this cluster has no Strimzi: ./setup.sh --install-operator installs {STRIMZI_VERSION}, or do it yourself:"
            f" helm install {OPERATOR_NAME} {STRIMZI_CHART} --version {STRIMZI_VERSION} --namespace"
            f" {OPERATOR_NAMESPACE} --create-namespace --set watchAnyNamespace=true"
        )

    def _refuse(self, why: str, instead: str = "") -> None:
        raise EndedError(f"{why}: upgrade Strimzi to {STRIMZI_VERSION} or newer {instead}{_UPGRADING}")

    def _is_available(self) -> bool:
        found = self.cluster.seen(kinds.DEPLOYMENT, OPERATOR_NAME, OPERATOR_NAMESPACE)
        return condition(found, "Available").get("status") == "True"

    # -- cleanup.sh

    def look(self) -> None:
        self._find_version()
        if self.strimzi:
            wanted = rights("get", kinds.KAFKA) + rights("list", kinds.TOPIC, kinds.USER)
            self.cluster.check_rights("see Kafka, its topics and users", wanted)

    def remove(self) -> None:
        """Remove it with --all, when setup.sh installed it and no Kafka needs it any more."""
        if not self.options.everything:
            return
        if self._is_ours():
            others = self._serves_others() if self.strimzi else []
            if others:
                self.say(f"Kept: Strimzi's operator, which serves {', '.join(others)}")
                return
            self._operator.remove("--ignore-not-found")
            if not self.options.dry_run:
                remove_all(self.session, [kinds.DEFINITION], MADE_BY)
            self.session.removed("Strimzi's operator and its definitions")
        remove_namespace(self.session, OPERATOR_NAMESPACE)

    def _is_ours(self) -> bool:
        """Whether setup.sh installed it, or began to, in a namespace of its own."""
        if is_marked(self.cluster.seen(kinds.NAMESPACE, OPERATOR_NAMESPACE)) and self._operator.status():
            return True
        deployment = self.cluster.seen(kinds.DEPLOYMENT, OPERATOR_NAME, OPERATOR_NAMESPACE)
        return is_marked(at(deployment, "spec", "template"))

    def _serves_others(self) -> list[str]:
        """What would go with Strimzi's definitions and is not of the Kafka that is removed: a Kafka as namespace/name,
        others with their kind before it."""
        others = []
        try:
            for kind in sorted(self.cluster.serves(kinds.STRIMZI, self.strimzi), key=lambda each: each.name):
                for each in self.cluster.objects(kind, namespace=ALL_NAMESPACES):
                    namespace, name = each["metadata"]["namespace"], name_of(each)
                    is_kafka = kind.name == kinds.KAFKA.name
                    of_kafka = name if is_kafka else label(each, OF_KAFKA)
                    going = (namespace, of_kafka) == (self.namespace, self.session.kafka) and not self.kafka_stays
                    # Node pools are nothing without their Kafka.
                    if not going and kind.name != kinds.POOL.name:
                        others.append(f"{'' if is_kafka else f'{kind.name} '}{namespace}/{name}")
        except ApiError as error:
            raise EndedError(f"the Strimzi resources of other namespaces can't be read: {error}") from error
        return others
