"""Strimzi itself: its resource definitions and, when asked for, its operator."""

import os

from clickstream_deploy.cluster import ALL_NAMESPACES
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import joined, pods, running_operators
from clickstream_deploy.namespaces import create_namespace, remove_namespace
from clickstream_deploy.ownership import LABEL, MADE_BY, MAKER, is_marked, namespace_made_by_setup
from clickstream_deploy.pods import OPERATOR, Watch
from clickstream_deploy.progress import indented
from clickstream_deploy.resources import (
    BINDING,
    DEFINITION,
    DEPLOYMENT,
    KAFKA,
    NAMESPACE,
    ROLE,
    STRIMZI_API,
    TOPIC,
    USER,
    at,
    label,
    name_of,
)
from clickstream_deploy.waiting import wait_for_helm, wait_until_gone

# A mirror, where the cluster has no way out, is named by the environment.
STRIMZI_CHART = os.environ.get("STRIMZI_CHART") or "oci://quay.io/strimzi-helm/strimzi-kafka-operator"
STRIMZI_VERSION = os.environ.get("STRIMZI_VERSION") or "1.2.0"
OPERATOR_NAMESPACE = "strimzi"
OPERATOR_NAME = "strimzi-cluster-operator"

_UPGRADING = "(https://strimzi.io/docs/operators/latest/deploying#assembly-upgrade-str)"
_VERSIONS = ("v1", "v1beta2")
_KINDS = ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")


class Strimzi(Component):
    """Its definitions, of which the newest version that is served is used, and its operator."""

    served = False
    """Whether the cluster serves Strimzi's kinds."""

    kafka_stays = False
    """Whether cleanup.sh keeps the Kafka cluster, and so what serves it."""

    def check(self) -> None:
        """See Component."""
        self._find_version()
        if self.served:
            version = self.cluster.versions[STRIMZI_API]
            if version != "v1" and self.options.install_operator:
                self._refuse_older()
            self.progress.say(f"Strimzi: {STRIMZI_API}/{version}")
        elif not self.options.install_operator:
            self._refuse_missing()
        elif self._versions():
            self._refuse_older()
        if self.options.install_operator:
            # What its chart makes is not confined to a namespace.
            made = (NAMESPACE, DEFINITION, ROLE, BINDING)
            rights = [*(("create", each) for each in made), ("list", DEPLOYMENT)]
            self.cluster.check_rights("install Strimzi's operator", rights)

    def check_new_kafka(self) -> None:
        """Raises EndedError when the manifests of a new Kafka, which are in v1, don't fit."""
        if self.served and self.cluster.versions[STRIMZI_API] != "v1":
            self._refuse_older()

    def install(self) -> None:
        """Install the operator unless one exists."""
        if not self.options.install_operator:
            return
        operators = running_operators(self.session)
        ours = f"{OPERATOR_NAMESPACE}/{OPERATOR_NAME}"
        dry_run = self.options.dry_run
        if operators and (operators != [ours] or dry_run or self._is_rolled_out()):
            if operators != [ours] or not dry_run:
                found = ", ".join(operators)
                self.progress.say(f"Strimzi's operator is there already ({found}): nothing to install")
            return
        if dry_run:
            self.progress.say(
                f"Would install Strimzi {STRIMZI_VERSION} in namespace {OPERATOR_NAMESPACE} ({STRIMZI_CHART})"
            )
            return
        self._install_chart()
        if not self.served:
            for each in self.cluster.objects(DEFINITION, "app=strimzi"):
                self.cluster.patch(DEFINITION, name_of(each), {"metadata": {"labels": {LABEL: MAKER}}})
        self._find_version()
        self.progress.say("Strimzi's operator runs")

    def look(self) -> None:
        """See Component."""
        self._find_version()
        if self.served:
            rights = [("get", KAFKA), ("list", TOPIC), ("list", USER)]
            self.cluster.check_rights("see Kafka, its topics and users", rights)

    def remove(self) -> None:
        """Remove it with --all, when setup.sh installed it and no Kafka needs it any more."""
        if not self.options.everything:
            return
        if self._is_ours():
            others = self._serves_others() if self.served else []
            if others:
                self.progress.say(f"Kept: Strimzi's operator, which serves {', '.join(others)}")
                return
            if not self.options.dry_run:
                self._uninstall()
            self.session.removed("Strimzi's operator and its definitions")
        remove_namespace(self.session, OPERATOR_NAMESPACE)

    def _versions(self) -> list[str]:
        try:
            groups = self.cluster.groups()
        except ApiError:
            return []
        found = [each for group in groups if group.get("name") == STRIMZI_API for each in group.get("versions", [])]
        return [str(each["version"]) for each in found]

    def _missing(self, version: str) -> list[str]:
        served = {each.kind for each in self.cluster.serves(STRIMZI_API, version)}
        return [kind for kind in _KINDS if kind not in served]

    def _find_version(self) -> None:
        """Use the newest version in which all kinds are served."""
        version = next((each for each in _VERSIONS if not self._missing(each)), None)
        self.served = version is not None
        if version is not None:
            self.cluster.versions[STRIMZI_API] = version

    def _refuse_missing(self) -> None:
        versions = self._versions()
        if versions:
            missing = " ".join(self._missing("v1"))
            served = f"{STRIMZI_API}/{' '.join(versions)}"
            raise EndedError(
                f"this cluster's Strimzi serves {served} without v1 of {missing}: upgrade Strimzi to {STRIMZI_VERSION}"
                f" or newer {_UPGRADING}"
            )
        raise EndedError(
            f"this cluster has no Strimzi: ./setup.sh --install-operator installs {STRIMZI_VERSION}, or do it yourself:"
            f" helm install {OPERATOR_NAME} {STRIMZI_CHART} --version {STRIMZI_VERSION} --namespace"
            f" {OPERATOR_NAMESPACE} --create-namespace --set watchAnyNamespace=true"
        )

    def _refuse_older(self) -> None:
        served = f"{STRIMZI_API}/{' '.join(self._versions())}"
        if not self.options.install_operator:
            raise EndedError(
                f"--with-kafka={self.options.with_kafka}: this cluster's Strimzi serves {served}, and a new Kafka needs"
                f" v1: upgrade Strimzi to {STRIMZI_VERSION} or newer {_UPGRADING}, or use a Kafka that is there"
            )
        raise EndedError(
            f"--install-operator: this cluster has definitions of another Strimzi ({served}), which helm would leave as"
            f" they are: upgrade that Strimzi to {STRIMZI_VERSION} or newer instead {_UPGRADING}"
        )

    def _is_rolled_out(self) -> bool:
        found = self.cluster.seen(DEPLOYMENT, OPERATOR_NAME, OPERATOR_NAMESPACE) or {}
        wanted, status = at(found, "spec", "replicas"), found.get("status") or {}
        current = status.get("observedGeneration", 0) >= (at(found, "metadata", "generation") or 0)
        return bool(current and status.get("availableReplicas", 0) >= (1 if wanted is None else wanted))

    def _install_chart(self) -> None:
        self.progress.say(f"Installing Strimzi {STRIMZI_VERSION} in namespace {OPERATOR_NAMESPACE}")
        create_namespace(self.session, OPERATOR_NAMESPACE)
        helm = self.session.helm.start(
            OPERATOR_NAMESPACE, "upgrade", "--install", OPERATOR_NAME, STRIMZI_CHART, "--version", STRIMZI_VERSION,
            "--set", "watchAnyNamespace=true", "--set-string", f"labels.app\\.kubernetes\\.io/managed-by={MAKER}",
            "--wait", "--timeout", f"{self.options.timeout_s}s",
        )  # fmt: skip
        watch = Watch(self.session, OPERATOR, f"name={OPERATOR_NAME}", OPERATOR_NAMESPACE)
        done = wait_for_helm(self.session, helm, watch, OPERATOR_NAME, "its chart is fetched, and its pod made")
        if done is None:
            message = "Strimzi's operator does not come up: see above, then run setup.sh again"
            raise EndedError(message, explanation=watch.explanation())
        if done.status != 0:
            refused = watch.not_created()
            lines = [
                indented(done.output),
                pods(self.session, OPERATOR_NAMESPACE, f"name={OPERATOR_NAME}"),
                indented(f"no pod is allowed: {refused}") if refused else "",
            ]
            message = "Strimzi's operator could not be installed: see above, then run setup.sh again"
            raise EndedError(message, explanation=joined(lines))

    def _is_ours(self) -> bool:
        """Whether setup.sh installed it, or began to, in a namespace of its own."""
        if namespace_made_by_setup(self.cluster, OPERATOR_NAMESPACE) and self.session.helm.status(
            OPERATOR_NAMESPACE, OPERATOR_NAME
        ):
            return True
        deployment = self.cluster.seen(DEPLOYMENT, OPERATOR_NAME, OPERATOR_NAMESPACE)
        return is_marked(at(deployment, "spec", "template"))

    def _serves_others(self) -> list[str]:
        """What would go with Strimzi's definitions and is not of the Kafka that is removed: a Kafka as namespace/name,
        others with their kind before it."""
        version = self.cluster.versions[STRIMZI_API]
        others = []
        try:
            for resource in sorted(self.cluster.serves(STRIMZI_API, version), key=lambda each: each.kind):
                for each in self.cluster.objects(resource, namespace=ALL_NAMESPACES):
                    namespace, name = each["metadata"]["namespace"], name_of(each)
                    of_kafka = name if resource.kind == "Kafka" else label(each, "strimzi.io/cluster")
                    going = (namespace, of_kafka) == (self.session.namespace, self.session.kafka)
                    # Node pools are nothing without their Kafka.
                    if resource.kind == "KafkaNodePool" or (going and not self.kafka_stays):
                        continue
                    place = f"{namespace}/{name}"
                    others.append(place if resource.kind == "Kafka" else f"{resource.kind} {place}")
        except ApiError as error:
            raise EndedError(f"the Strimzi resources of other namespaces can't be read: {error}") from error
        return others

    def _uninstall(self) -> None:
        timeout = f"{self.options.timeout_s}s"
        done = self.session.helm.run(
            OPERATOR_NAMESPACE, "uninstall", OPERATOR_NAME, "--wait", "--timeout", timeout, "--ignore-not-found"
        )
        if done.status != 0:
            raise EndedError(
                "Strimzi's operator could not be removed: see above, then run cleanup.sh again",
                explanation=indented(done.error),
            )
        for each in self.cluster.objects(DEFINITION, MADE_BY):
            self.cluster.delete(DEFINITION, name_of(each))
        wait_until_gone(self.session, lambda: self.cluster.names([DEFINITION], MADE_BY))
