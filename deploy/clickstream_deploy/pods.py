"""The pods of what is being started: what they wait for, and whether waiting can help."""

import re
from dataclasses import dataclass

from clickstream_deploy.explanations import claims, event_list, events, joined
from clickstream_deploy.progress import indented
from clickstream_deploy.resources import DEPLOYMENT, POD, REPLICA_SET, Manifest, at, condition, label, name_of
from clickstream_deploy.session import Session

# How long a trouble lasts before it is taken for one that does not pass. A registry may fail once, and a program may
# end once because something else was not there yet.
LONGEST_TROUBLE_S = 15
# A user that Strimzi has just made, and a secret that has just been mounted, take some seconds to be valid.
LONGEST_REFUSAL_S = 25
# An autoscaler answers a pod that fits on no node within this time, with an event.
LONGEST_UNSCHEDULED_S = 45
# A webhook that can't be reached may be about to start.
LONGEST_WEBHOOK_S = 60

# What the apps log when Kafka refuses them, TLS does not fit, or a name is wrong: waiting doesn't change it. And what
# they log when that is over. (What they "can't check", they can do without.)
_REFUSING = re.compile(
    r"Kafka refuses the |Kafka at .* refuses: |[Nn]ot authorized to |does not let this user|[Aa]uthorization ?[Ff]ailed"
    r"|certificate verify failed|CERTIFICATE_VERIFY_FAILED|TLS handshake with|no address is known for"
    r"|[Tt]opic .*(does|do) not exist"
)
_ACCEPTING = re.compile(r"Connected to Kafka|Kafka acknowledges again|Reading .*; it was unavailable for")

APP, OPERATOR, KAFKA_PODS = "app", "operator", "kafka"


@dataclass(frozen=True)
class Trouble:
    """Why pods do not come up. Troubles of one `kind` count as the same, whatever their text; it may last `limit_s`."""

    what: str
    kind: str
    limit_s: float
    pod: str = ""


def last_word(log: str) -> tuple[str, bool]:
    """Return the last line about a refusal or its end, and whether it is a refusal; ("", False) for none."""
    for line in reversed(log.splitlines()):
        if "can't check" not in line and (_REFUSING.search(line) or _ACCEPTING.search(line)):
            return line, _REFUSING.search(line) is not None
    return "", False


class Watch:
    """Watches the pods that a selector chooses.

    `kind` is APP (exit status 2 is a wrong setting, and the log says what Kafka refuses), OPERATOR, or KAFKA_PODS (no
    ReplicaSets, and pods may crash a few times until the others are there). `kafka` is the address that the apps get.
    """

    def __init__(self, session: Session, kind: str, selector: str, namespace: str = "", *, kafka: str = "") -> None:
        self.namespace = namespace or session.namespace
        self.progress = ""
        self.trouble: Trouble | None = None
        self._session = session
        self._bootstrap_servers = kafka
        self._kind = kind
        self._selector = selector
        self._suspect: tuple[str, str] | None = None
        self._since = 0.0
        self._not_created = ""
        self._refusal = ""

    def look(self) -> None:
        """Set `progress` to what the pods wait for, and `trouble` once waiting can't help."""
        self.progress = ""
        found: Trouble | None = None
        pods = self._newest_pods()
        if self._not_created:
            self.progress = f"no pod is allowed: {self._not_created}"
            webhook = "failed calling webhook" in self._not_created
            found = Trouble("NotCreated", "refused", LONGEST_WEBHOOK_S if webhook else LONGEST_TROUBLE_S)
        for pod in pods:
            if condition(pod, "Ready").get("status") == "True":
                continue
            scheduled = str(condition(pod, "PodScheduled").get("message") or "")
            self.progress = f"{name_of(pod)}: {_waiting(pod, 'reason') or scheduled or 'not Ready yet'}"
            judged = self._judge(pod, scheduled)
            # Of several pods in trouble the one that was suspected before is kept.
            if judged and (found is None or (judged.pod, judged.kind) == self._suspect):
                found = judged
        if found is None:
            self._suspect = None
            return
        if (found.pod, found.kind) != self._suspect:
            self._suspect, self._since = (found.pod, found.kind), self._session.clock.elapsed()
        if self._session.clock.elapsed() - self._since >= found.limit_s:
            self.trouble = found

    def _judge(self, pod: Manifest, scheduled: str) -> Trouble | None:
        name, reason = name_of(pod), _waiting(pod, "reason")
        if self._kind == APP and 2 in _exit_statuses(pod):
            return Trouble("WrongSetting", "setting", 0, name)
        if re.search("ErrImage|ImagePullBackOff|InvalidImageName", reason):
            return Trouble(reason, "image", LONGEST_TROUBLE_S, name)
        if re.search("CreateContainerConfigError|CreateContainerError|RunContainerError", reason):
            return Trouble(reason, "start", LONGEST_TROUBLE_S, name)
        if "ContainerCreating" in reason:
            missing = [each for each in self._events(name, "FailedMount") if re.search("not found|non-existent", each)]
            return Trouble("FailedMount", "mount", LONGEST_REFUSAL_S, name) if missing else None
        if reason and "CrashLoopBackOff" not in reason:
            return None
        if scheduled:
            return self._judge_unscheduled(name, scheduled)
        refused = self._judge_log(name)
        if refused or not reason:
            return refused
        most_crashes = 4 if self._kind == KAFKA_PODS else 2
        restarts = at(pod, "status", "containerStatuses", 0, "restartCount") or 0
        return Trouble(reason, "crash", LONGEST_TROUBLE_S, name) if restarts >= most_crashes else None

    def _judge_unscheduled(self, name: str, message: str) -> Trouble | None:
        """Judge a pod that fits on no node; a new node may be on its way."""
        if "scheduling gates" in message:
            return None
        if self._events(name, "TriggeredScaleUp", "Nominated"):
            self.progress = f"{name}: a node for it is on its way"
            return None
        return Trouble("Unschedulable", "schedule", LONGEST_UNSCHEDULED_S, name)

    def _judge_log(self, name: str) -> Trouble | None:
        """Judge by the log: an app that Kafka refuses keeps trying, because a password may be corrected."""
        if self._kind != APP:
            return None
        line, refuses = last_word(self._session.cluster.log(name, self.namespace, tail=300, sinceSeconds="900"))
        if refuses:
            self._refusal = line
        elif line or self._suspect != (name, "kafka"):
            return None
        # A container that was started again has said nothing yet: the last word of the one before holds.
        self.progress = f"{name}: {self._refusal}"
        return Trouble("Refused", "kafka", LONGEST_REFUSAL_S, name)

    def _events(self, pod: str, *reasons: str) -> list[str]:
        found = event_list(self._session, self.namespace, "Pod", pod)
        return [f"{each.get('reason')}: {each.get('message')}" for each in found if each.get("reason") in reasons]

    def _newest_pods(self) -> list[Manifest]:
        """Return the pods of the newest revision, and note why Kubernetes creates none (a quota, a limit range, pod
        security, a webhook), which appears nowhere else."""
        cluster = self._session.cluster
        if self._kind == KAFKA_PODS:
            return cluster.seen_objects(POD, self._selector, namespace=self.namespace)
        deployments = cluster.seen_objects(DEPLOYMENT, self._selector, namespace=self.namespace)
        sets = cluster.seen_objects(REPLICA_SET, self._selector, namespace=self.namespace)
        self._not_created = next(filter(None, map(_not_created, deployments)), "")
        newest = max(sets, key=_revision, default=None)
        if newest is None:
            return []
        self._not_created = _not_created(newest) or self._not_created
        selector = f"{self._selector},pod-template-hash={label(newest, 'pod-template-hash')}"
        return cluster.seen_objects(POD, selector, namespace=self.namespace)

    def explanation(self) -> str:
        """Explain the trouble, with events, logs and where to look."""
        trouble = self.trouble
        assert trouble is not None
        pod = self._session.cluster.seen(POD, trouble.pod, self.namespace) if trouble.pod else None
        image = at(pod, "spec", "containers", 0, "image") or ""
        happened = events(self._session, self.namespace, "Pod", trouble.pod)
        name = f"Pod {trouble.pod}"
        if trouble.kind == "refused":
            return self._explain_not_created()
        if trouble.kind == "kafka":
            return joined([
                f"{name} runs, but it can't do its work, and waiting does not change that:",
                indented(self._refusal),
                self._where_to_look(),
            ])  # fmt: skip
        if trouble.kind == "setting":
            said = indented(self._last_words(trouble.pod))
            return joined([f"{name} ends with status 2: one of its settings is wrong. What it said:", said])
        if trouble.kind == "schedule":
            return joined([f"{name} fits on no node:", happened, claims(self._session, pod)])
        if trouble.kind == "mount":
            return joined([f"{name} can't start, because a volume can't be mounted:", happened])
        if trouble.kind == "image":
            how = _HOW_TO_BUILD if self._kind == APP else ""
            return joined([f"{name} can't get its image {image} ({trouble.what})", happened, how])
        if trouble.kind == "crash":
            said = indented(self._last_words(trouble.pod))
            return joined([f"{name} ends again and again ({image})", happened, "  the end of its log:", said])
        message = _waiting(pod or {}, "message")
        return joined([f"{name} can't start ({trouble.what}): {message}", happened])

    def not_created(self) -> str:
        """Why no pod is allowed; "" when pods are."""
        return self._not_created

    def _last_words(self, pod: str) -> str:
        """Return the end of the log of the previous run, or of this one when there is no other."""
        cluster = self._session.cluster
        return cluster.log(pod, self.namespace, previous=True) or cluster.log(pod, self.namespace)

    def _explain_not_created(self) -> str:
        return (
            f"Kubernetes makes no pod: {self._not_created}\n"
            "  A quota or a limit range of the namespace, its pod security, or an admission webhook is in the way:\n"
            f"  kubectl get resourcequota,limitrange -n {self.namespace}; the pod's resources and labels can be\n"
            "  set in the charts' values (--values)."
        )

    def _where_to_look(self) -> str:
        """Return where to look, by what the app logged."""
        said = self._refusal
        if re.search("certificate|CERTIFICATE|TLS", said):
            return "  The CA in the pod is not that of Kafka's certificate: kafka.tls.caSecret names its Secret (--values)."  # noqa: E501
        if "not exist" in said:
            return (
                f"  kubectl get kafkatopic -n {self.namespace} shows the topics; the values of the chart name them"
                " (topics)."
            )
        if "no address" in said:
            return f"  kafka.bootstrapServers is {self._bootstrap_servers} unless --values says otherwise."
        return (
            f"  Its user, password and rights: kubectl get kafkauser,secret -n {self.namespace}; the values\n"
            "  kafka.authentication.secret and .username name others (--values)."
        )


_HOW_TO_BUILD = """\
  Build it and put it where the nodes can get it: make images REGISTRY=... TAG=..., push, and then
  ./setup.sh --image-registry REGISTRY --image-tag TAG. Without a registry: kind load docker-image,
  k3d image import, minikube image load. A private registry needs imagePullSecrets (--values)."""


def _waiting(pod: Manifest, what: str) -> str:
    """Return the reason or the message of all waiting containers."""
    statuses = at(pod, "status", "containerStatuses") or []
    return " ".join(filter(None, (at(each, "state", "waiting", what) for each in statuses)))


def _exit_statuses(pod: Manifest) -> set[int]:
    statuses = at(pod, "status", "containerStatuses") or []
    found = (at(each, state, "terminated", "exitCode") for each in statuses for state in ("state", "lastState"))
    return {code for code in found if code is not None}


def _revision(replica_set: Manifest) -> int:
    return int(at(replica_set, "metadata", "annotations", "deployment.kubernetes.io/revision") or 0)


def _not_created(manifest: Manifest) -> str:
    """Return why a ReplicaSet or a Deployment could not create its objects."""
    for each in at(manifest, "status", "conditions") or []:
        if each.get("type") == "ReplicaFailure" or each.get("reason") == "ReplicaSetCreateError":
            return str(each.get("message") or "")
    return ""
