"""The topics: made when they are missing, and not changed, because a change can cost data; only a retention that is too
short for the processor's settings is raised. cleanup.sh removes them when it is asked to, while their operator still
runs: a KafkaTopic goes only when the topic operator, a part of the Kafka cluster, has deleted the topic. With a topic
Kafka itself forgets what groups have committed for it.
"""

from clickstream_core.processor_times import alter_command
from clickstream_deploy.app_release import Processor
from clickstream_deploy.apps import ALL_TOPICS, CONTROL_TOPIC
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import LONGEST_SILENCE_S, conditions, entity_operator, joined
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import TOPIC
from clickstream_deploy.listeners import NONE
from clickstream_deploy.objects import OF_KAFKA, Manifest, at, is_marked, marked, name_of
from clickstream_deploy.retention import NEEDED, REPLAYED, default_retention_ms, in_words, is_shorter, processor_times
from clickstream_deploy.session import Session
from clickstream_deploy.waiting import left_after, wait_until_ready

_NO_FINALIZERS = """'{"metadata":{"finalizers":[]}}'"""


class Topics(Component):
    """The KafkaTopics of strimzi/base/topics and, by option, of strimzi/archive and strimzi/scenarios; with as many
    replicas as the brokers allow.
    """

    def __init__(self, session: Session, kafka: KafkaCluster, processor: Processor) -> None:
        super().__init__(session)
        self._kafka = kafka
        self._processor = processor
        self._there: list[str] = []

    # -- setup.sh

    def rights(self) -> list[str]:
        return rights("get create", TOPIC)

    def install(self) -> None:
        environment = self._processor.environment()
        self._times = processor_times(environment)
        replayed = [environment[name] for name in REPLAYED if name in environment]
        wanted = {name_of(each): each for folder in self._folders() for each in self.manifests(folder)}
        new, kept = [], {}
        for name, manifest in wanted.items():
            existing = self._existing(name)
            if other := self._other_manager(name, manifest):
                self.detail(f"topic {_kafka_name(manifest)} is that of KafkaTopic {other}: left as it is")
            elif existing:
                self._check(name, manifest, existing)
                kept[name] = existing
            else:
                new.append(name)
        # Also those that the processor was given by its values instead.
        given = {name: found for name in replayed if name not in wanted and (found := self._existing(name))}
        looked_at = [each for name, each in (kept | given).items() if name in replayed]
        self._raise_retention([each for each in looked_at if self._is_too_short(each)])
        for name in new:
            self._create(wanted[name], is_replayed=name in replayed)
        if not self.options.dry_run and (new or kept):
            wait_until_ready(self.session, TOPIC, [*new, *kept])
        if new:
            self.say(f"{'Would create the topics' if self.options.dry_run else 'Topics created:'} {' '.join(new)}")
        if kept and not self.options.dry_run:
            self.say(f"Topics that were there: {' '.join(kept)}")

    def _folders(self) -> list[str]:
        overlay = self.options.with_kafka
        if self._kafka.found:
            overlay = "eks" if self._kafka.brokers >= 3 else "dev"
        place = "topics" if overlay == "eks" else "dev/topics"
        optional = [f"{part}/{place}" for part in ("archive", "scenarios") if part in self.options.parts]
        return [f"overlays/{overlay}/topics", *optional]

    def _existing(self, name: str) -> Manifest | None:
        return self.cluster.get(TOPIC, name) if self._kafka.found else None

    def _other_manager(self, name: str, manifest: Manifest) -> str:
        """The KafkaTopic under another name for the same topic; Strimzi would refuse a second one."""
        topic = _kafka_name(manifest)
        if not self._kafka.found or topic == name:
            return ""
        # A user who may not list topics gets Strimzi's refusal instead.
        found = self.cluster.seen_objects(TOPIC, f"{OF_KAFKA}={self.session.kafka}")
        others = (name_of(each) for each in found if at(each, "spec", "topicName") == topic)
        return next((each for each in others if each != name), "")

    def _check(self, name: str, manifest: Manifest, existing: Manifest) -> None:
        """Report differences from the manifest. Raises EndedError when the object is not ours to use."""
        self._kafka.check_owns(existing)
        if at(existing, "metadata", "deletionTimestamp"):
            look = f"kubectl get kafkatopic -n {self.namespace}"
            late = "if that takes long, its operator does not run"
            raise EndedError(f"KafkaTopic {name} is being deleted: wait until it is gone ({look}); {late}")
        for setting in ("partitions", "replicas"):
            wanted, found = at(manifest, "spec", setting), at(existing, "spec", setting)
            if found not in (None, wanted):
                self.detail(f"topic {name} has {found} {setting} (a new one would get {wanted}): left as it is")

    def _retention_ms(self, topic: Manifest) -> int:
        found = at(topic, "spec", "config", "retention.ms")
        return default_retention_ms(self._kafka.kafka()) if found is None else int(found)

    def _is_too_short(self, existing: Manifest) -> bool:
        """Whether its retention must be raised. Raises EndedError when a topic with a short one is not ours."""
        name, found_ms = name_of(existing), self._retention_ms(existing)
        needed_ms, kept_ms = self._times.needed_ms, self._times.kept_ms
        managed = at(existing, "metadata", "annotations", "strimzi.io/managed") != "false"
        if is_marked(existing) and managed:
            return is_shorter(found_ms, kept_ms)
        if not is_shorter(found_ms, needed_ms):
            return False
        if managed:
            change = f'{{"spec":{{"config":{{"retention.ms":{kept_ms}}}}}}}'
            command = f"kubectl patch kafkatopic {name} -n {self.namespace} --type=merge -p '{change}'"
            how = f"{command} (or the same in whatever makes it)"
        else:
            connection = self._kafka.connection
            assert connection is not None
            secured = connection.tls or connection.authentication != NONE
            settings = {"retention.ms": str(kept_ms)}
            command = alter_command(name, settings, [connection.bootstrap_servers], secured=secured)
            how = f"{command} (and its KafkaTopic, which Strimzi does not manage)"
        raise EndedError(
            f"topic {name} keeps its records for {in_words(found_ms)}, the processor needs them for"
            f" {in_words(needed_ms)} ({NEEDED}), and setup.sh did not make it: lower these, or {how}"
        )

    def _raise_retention(self, short: list[Manifest]) -> None:
        """Raise the retention of our topics; it is never shortened."""
        kept_ms, dry_run = self._times.kept_ms, self.options.dry_run
        if short:
            self.cluster.check_rights("let topics keep their records for longer", [f"patch {TOPIC}"])
        for each in short:
            longer = f"records for {in_words(kept_ms)} instead of {in_words(self._retention_ms(each))}"
            if not dry_run:
                self.cluster.patch(TOPIC, name_of(each), {"spec": {"config": {"retention.ms": kept_ms}}})
            which = f"Would let topic {name_of(each)} keep" if dry_run else f"Topic {name_of(each)} keeps"
            self.say(f"{which} its {longer}: the windows need it")

    def _create(self, manifest: Manifest, *, is_replayed: bool) -> None:
        config = at(manifest, "spec", "config") or {}
        stated_ms, kept_ms = int(config.get("retention.ms", -1)), self._times.kept_ms
        if is_replayed and is_shorter(stated_ms, kept_ms):
            longer = f"{in_words(kept_ms)} instead of {in_words(stated_ms)}: the processor's windows need it"
            self.detail(f"topic {name_of(manifest)} gets a retention of {longer}")
            config["retention.ms"] = kept_ms
        if self._kafka.found:
            self.cluster.create(marked(manifest), dry_run=self.options.dry_run)

    # -- cleanup.sh

    def look(self) -> None:
        self._there = self._find()

    def removal_rights(self) -> list[str]:
        return [f"delete {TOPIC}"] if self.strimzi and self.options.delete_topics else []

    def remove(self) -> None:
        """Remove the topics after the apps and before Kafka."""
        names = " ".join(self._there)
        if not names:
            return
        if not self.options.delete_topics:
            self.say(f"Kept with their data: topics {names}")
            command = f"./cleanup.sh{self.options.place()} --delete-topics"
            self.detail(f"{command} removes them, with what the groups have committed")
            return
        if not self.options.dry_run:
            for name in self._there:
                self.cluster.delete(TOPIC, name)
                if not self._kafka.found:
                    self._drop_finalizers(name)
            wait = "Waiting until the topic operator has deleted"
            left = left_after(self.session, self._find, LONGEST_SILENCE_S, wait)
            if left:
                self._explain_stuck(left)
        self.session.removed(f"topics {names}, and what the groups had committed")

    def _find(self) -> list[str]:
        """The control topic of an archive that stays does too: the sink needs it to go on there."""
        found = self._kafka.own_objects(TOPIC, ALL_TOPICS)
        goes = self.options.delete_archive or self.options.delete_kafka or not self.options.delete_topics
        return [name for name in found if goes or name != CONTROL_TOPIC]

    def _drop_finalizers(self, name: str) -> None:
        """Remove the finalizers when Kafka is gone, and with it the topics and the operator that would remove them."""
        try:
            self.cluster.patch(TOPIC, name, {"metadata": {"finalizers": []}})
        except ApiError as error:
            if error.status != 404:
                raise EndedError(f"the finalizer of KafkaTopic {name} could not be removed: {error}") from error

    def _explain_stuck(self, left: list[str]) -> None:
        names, operator = " ".join(left), f"the topic operator of Kafka {self.session.kafka}"
        explanation = joined(
            f"The topics {names} are marked for deletion, but {operator} does not delete them.",
            conditions(self.session, TOPIC, left[0]),
            entity_operator(self.session),
            "  Once it runs again they go by themselves; then run cleanup.sh again.",
            "  To give up on it, and leave the data in Kafka where it is:",
            f"  kubectl patch kafkatopic {names} -n {self.namespace} --type=merge -p {_NO_FINALIZERS}",
        )
        seconds = int(self.session.clock.elapsed())
        raise EndedError(f"topics are not gone after {seconds}s: see above", explanation=explanation)


def _kafka_name(manifest: Manifest) -> str:
    """Return the name in Kafka of a KafkaTopic's topic."""
    return str(at(manifest, "spec", "topicName") or name_of(manifest))
