"""The topics: made when they are missing, and not changed, because a change can cost data; only a retention that is too
short for the processor's settings is raised. cleanup.sh removes them when it is asked to, while their operator still
runs: a KafkaTopic goes only when the topic operator, a part of the Kafka cluster, has deleted the topic. With a topic
Kafka itself forgets what groups have committed for it.
"""

from typing import Any

from clickstream_deploy.apps import TOPICS
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import LONGEST_SILENCE_S, conditions, entity_operator, joined
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.manifests import manifests
from clickstream_deploy.ownership import is_marked, marked
from clickstream_deploy.releases import Releases
from clickstream_deploy.resources import TOPIC, Manifest, at, label, name_of
from clickstream_deploy.retention import NEEDED, Retention, default_retention_ms, in_words, is_shorter, retention_for
from clickstream_deploy.session import Session
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.waiting import wait_until_ready

_CLUSTER = "strimzi.io/cluster"
_NO_FINALIZERS = '{"metadata":{"finalizers":[]}}'


class Topics(Component):
    """The KafkaTopics of strimzi/base/topics, with as many replicas as the brokers allow."""

    def __init__(self, session: Session, strimzi: Strimzi, kafka: KafkaCluster, releases: Releases) -> None:
        super().__init__(session)
        self._strimzi = strimzi
        self._kafka = kafka
        self._releases = releases
        self._there: list[str] = []

    # -- setup.sh

    def install(self) -> None:
        """See Component."""
        retention = retention_for(self._releases.processor_environment())
        wanted = {name_of(each): each for each in manifests(self.session, self._folder())}
        kept, new, short = [], [], {}
        for name, manifest in wanted.items():
            other = self._other_manager(name, manifest)
            existing = self._existing(name)
            if other:
                self.progress.detail(f"topic {_kafka_name(manifest)} is that of KafkaTopic {other}: left as it is")
            elif existing:
                self._check(name, existing)
                self._compare(name, manifest, existing)
                kept.append(name)
            else:
                new.append(name)
        # Also those that the processor was given by its values instead.
        for name in dict.fromkeys([*kept, *retention.topics]):
            existing = self._existing(name) if name in retention.topics and name not in new else None
            if existing:
                short.update(self._too_short(name, existing, retention))
        self._raise_retention(short, retention)
        for name in new:
            self._create(wanted[name], retention)
        if self.options.dry_run:
            if new:
                self.progress.say(f"Would create the topics {' '.join(new)}")
            return
        if new or kept:
            wait_until_ready(self.session, TOPIC, [*new, *kept])
        if new:
            self.progress.say(f"Topics created: {' '.join(new)}")
        if kept:
            self.progress.say(f"Topics that were there: {' '.join(kept)}")

    def _folder(self) -> str:
        if not self._kafka.found:
            return f"overlays/{self.options.with_kafka}/topics"
        return f"overlays/{'eks' if self._kafka.brokers >= 3 else 'dev'}/topics"

    def _existing(self, name: str) -> Manifest | None:
        return self.cluster.get(TOPIC, name) if self._kafka.found else None

    def _other_manager(self, name: str, manifest: Manifest) -> str:
        """The KafkaTopic under another name for the same topic; Strimzi would refuse a second one."""
        topic = _kafka_name(manifest)
        if not self._kafka.found or topic == name:
            return ""
        # A user who may not list topics gets Strimzi's refusal instead.
        found = self.cluster.seen_objects(TOPIC, f"{_CLUSTER}={self.session.kafka}")
        others = [name_of(each) for each in found if at(each, "spec", "topicName") == topic and name_of(each) != name]
        return others[0] if others else ""

    def _check(self, name: str, existing: Manifest) -> None:
        """Raises EndedError when the object is not ours to use."""
        kafka, cluster = self.session.kafka, label(existing, _CLUSTER)
        if cluster != kafka:
            raise EndedError(
                f"KafkaTopic {name} in namespace {self.session.namespace} belongs to Kafka"
                f" {cluster or 'without a label'}, not to {kafka}: use --cluster-name {cluster or 'NAME'}, or another"
                " namespace"
            )
        if at(existing, "metadata", "deletionTimestamp"):
            raise EndedError(
                f"KafkaTopic {name} is being deleted: wait until it is gone (kubectl get kafkatopic -n"
                f" {self.session.namespace}); if that takes long, its operator does not run"
            )

    def _compare(self, name: str, manifest: Manifest, existing: Manifest) -> None:
        """Report differences from the manifest."""
        for setting in ("partitions", "replicas"):
            wanted, found = at(manifest, "spec", setting), at(existing, "spec", setting)
            if found not in (None, wanted):
                self.progress.detail(
                    f"topic {name} has {found} {setting} (a new one would get {wanted}): left as it is"
                )

    def _too_short(self, name: str, existing: Manifest, retention: Retention) -> dict[str, int]:
        """Return the topic and the retention to which it must be raised. Raises EndedError when a topic with a
        short retention is not ours to change."""
        found = at(existing, "spec", "config", "retention.ms")
        found_ms = default_retention_ms(self._kafka.kafka()) if found is None else int(found)
        managed = (at(existing, "metadata", "annotations") or {}).get("strimzi.io/managed") != "false"
        if is_marked(existing) and managed:
            return {name: found_ms} if is_shorter(found_ms, retention.ample_ms) else {}
        if not is_shorter(found_ms, retention.needed_ms):
            return {}
        why = (
            f"topic {name} keeps its records for {in_words(found_ms)}, the processor needs them for"
            f" {in_words(retention.needed_ms)} ({NEEDED}), and setup.sh did not make it: lower these, or"
        )
        if managed:
            raise EndedError(
                f"{why} kubectl patch kafkatopic {name} -n {self.session.namespace} --type=merge -p"
                f' \'{{"spec":{{"config":{{"retention.ms":{retention.ample_ms}}}}}}}\''
                " (or the same in whatever makes it)"
            )
        assert self._kafka.connection is not None
        raise EndedError(
            f"{why} kafka-configs.sh --bootstrap-server {self._kafka.connection.bootstrap_servers} --alter"
            f" --entity-type topics --entity-name {name} --add-config retention.ms={retention.ample_ms} (and its"
            " KafkaTopic, which Strimzi does not manage)"
        )

    def _raise_retention(self, short: dict[str, int], retention: Retention) -> None:
        """Raise the retention of our topics; it is never shortened."""
        if not short:
            return
        self.cluster.check_rights("let topics keep their records for longer", [("patch", TOPIC)])
        for name, found_ms in short.items():
            longer = f"{in_words(retention.ample_ms)} instead of {in_words(found_ms)}"
            if self.options.dry_run:
                self.progress.say(f"Would let topic {name} keep its records for {longer}")
                continue
            self.cluster.patch(TOPIC, name, {"spec": {"config": {"retention.ms": retention.ample_ms}}})
            self.progress.say(f"Topic {name} keeps its records for {longer}: the windows need it")

    def _create(self, manifest: Manifest, retention: Retention) -> None:
        name, config = name_of(manifest), dict[str, Any](at(manifest, "spec", "config") or {})
        least_ms = int(config.get("retention.ms", -1))
        if name in retention.topics and is_shorter(least_ms, retention.ample_ms):
            self.progress.detail(
                f"topic {name} gets a retention of {in_words(retention.ample_ms)} instead of {in_words(least_ms)}: the"
                " processor's windows need it"
            )
            config["retention.ms"] = retention.ample_ms
        longer = {**manifest, "spec": {**manifest["spec"], "config": config}}
        if self._kafka.found:
            self.cluster.create(marked(longer), dry_run=self.options.dry_run)

    # -- cleanup.sh

    def look(self) -> None:
        """See Component."""
        self._there = self._find()

    def removal_rights(self) -> list[tuple[str, object]]:
        """See Component."""
        return [("delete", TOPIC)] if self._strimzi.served and self.options.delete_topics else []

    def remove(self) -> None:
        """Remove the topics after the apps and before Kafka."""
        names = " ".join(self._there)
        if not self._there:
            return
        if not self.options.delete_topics:
            self.progress.say(f"Kept with their data: topics {names}")
            again = f"./cleanup.sh{self.options.place()} --delete-topics"
            self.progress.detail(f"{again} removes them, with what the groups have committed")
            return
        if not self.options.dry_run:
            for name in self._there:
                self.cluster.delete(TOPIC, name)
                if not self._kafka.found:
                    self._drop_finalizers(name)
            self._wait_until_gone()
        self.session.removed(f"topics {names}, and what the groups had committed")

    def _find(self) -> list[str]:
        if not self._strimzi.served:
            return []
        found = {name_of(each) for each in self.cluster.objects(TOPIC, f"{_CLUSTER}={self.session.kafka}")}
        return [name for name in TOPICS if name in found]

    def _drop_finalizers(self, name: str) -> None:
        """Remove the finalizers when Kafka is gone, and with it the topics and the operator that would remove them."""
        try:
            self.cluster.patch(TOPIC, name, {"metadata": {"finalizers": []}})
        except ApiError as error:
            if error.status != 404:
                raise EndedError(f"the finalizer of KafkaTopic {name} could not be removed: {error}") from error

    def _wait_until_gone(self) -> None:
        """Wait for the operator, which needs seconds if it runs."""
        clock, limit = self.session.clock, min(LONGEST_SILENCE_S, self.options.timeout_s)
        began = clock.elapsed()
        self.progress.begin_wait()
        while left := self._find():
            if clock.elapsed() - began >= limit:
                self._explain_stuck(left)
            self.progress.waiting(f"Waiting until the topic operator has deleted {' '.join(left)}")
            clock.sleep(1)
        self.progress.clear()

    def _explain_stuck(self, left: list[str]) -> None:
        names = " ".join(left)
        operator = f"the topic operator of Kafka {self.session.kafka}"
        patch = f"kubectl patch kafkatopic {names} -n {self.session.namespace} --type=merge"
        lines = [
            f"The topics {names} are marked for deletion, but {operator} does not delete them.",
            conditions(self.session, TOPIC, left[0]),
            entity_operator(self.session),
            "  Once it runs again they go by themselves; then run cleanup.sh again.",
            "  To give up on it, and leave the data in Kafka where it is:",
            f"  {patch} -p '{_NO_FINALIZERS}'",
        ]
        seconds = int(self.session.clock.elapsed())
        raise EndedError(f"topics are not gone after {seconds}s: see above", explanation=joined(lines))


def _kafka_name(manifest: Manifest) -> str:
    """Return the name in Kafka of a KafkaTopic's topic."""
    return str(at(manifest, "spec", "topicName") or name_of(manifest))
