"""The pods of what is being started: what they wait for, and whether waiting can help."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from clickstream_deploy.explanations import claims, event_list, events, indented, joined
from clickstream_deploy.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind
from clickstream_deploy.objects import NAME, Manifest, at, condition, is_ready, label, name_of
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

_HOW_TO_BUILD = """\
  Build it and put it where the nodes can get it: ./setup.sh --build, which loads it into kind, k3d or
  minikube, or with --image-registry REGISTRY pushes it there. A private registry needs
  imagePullSecrets (--values)."""
_NOT_ALLOWED = """\
  A quota or a limit range of the namespace, its pod security, or an admission webhook is in the way:
  kubectl get resourcequota,limitrange -n {}; the pod's resources and labels can be
  set in the charts' values (--values)."""
_REMEDIES = {
    "certificate|CERTIFICATE|TLS": "The CA in the pod is not that of Kafka's certificate: kafka.tls.caSecret names its"
    " Secret (--values).",
    "not exist": "kubectl get kafkatopic -n {namespace} shows the topics; the values of the chart name them (topics).",
    "no address": "kafka.bootstrapServers is {bootstrap_servers} unless --values says otherwise.",
    "": "Its user, password and rights: kubectl get kafkauser,secret -n {namespace}; the values\n"
    "  kafka.authentication.secret and .username name others (--values).",
}
"""Where to look, by what the app logged."""


@dataclass(frozen=True)
class Trouble:
    """Why a pod, or "" for all, does not come up. Troubles of one `kind` count as the same, whatever their text."""

    pod: str
    kind: str
    limit_s: float
    """How long it may last."""
    title: str
    details: Callable[[], list[str]]


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
        self.selector = selector
        self.progress = ""
        self.trouble: Trouble | None = None
        self._session = session
        self._cluster = session.cluster
        self._namespace = namespace or session.namespace
        self._bootstrap_servers = kafka
        self._kind = kind
        self._suspect = ("", "")
        self._since = 0.0
        self._refusal = ""

    def look(self) -> None:
        """Set `progress` to what the pods wait for, and `trouble` once waiting can't help."""
        self.progress = ""
        pods, not_created = self._newest_pods()
        troubles = [self._judge_none(not_created)] if not_created else []
        troubles += filter(None, (self._judge(pod) for pod in pods if not is_ready(pod)))
        # Of several pods in trouble the one that was suspected before is kept.
        suspected = [each for each in troubles if (each.pod, each.kind) == self._suspect]
        found = next(iter([*suspected[-1:], *troubles]), None)
        suspect = (found.pod, found.kind) if found else ("", "")
        if suspect != self._suspect:
            self._suspect, self._since = suspect, self._session.clock.elapsed()
        if found and self._session.clock.elapsed() - self._since >= found.limit_s:
            self.trouble = found

    def explanation(self) -> str:
        """Explain the trouble, with events, logs and where to look."""
        assert self.trouble is not None
        return joined(self.trouble.title, *self.trouble.details())

    def _newest_pods(self) -> tuple[list[Manifest], str]:
        """Return the pods of the newest revisions and of Jobs, and why Kubernetes creates none (a quota, a limit range,
        pod security, a webhook), which appears nowhere else."""
        if self._kind == KAFKA_PODS:
            return self._seen(POD), ""
        newest: dict[str, Manifest] = {}
        for each in sorted(self._seen(REPLICA_SET), key=_revision):
            newest[label(each, NAME)] = each  # a release may have several Deployments
        not_created = next(filter(None, map(_not_created, [*newest.values(), *self._seen(DEPLOYMENT)])), "")
        hashes = [label(each, "pod-template-hash") for each in newest.values()]
        hooks = self._seen(POD, ",job-name")
        return [*hooks, *(pod for each in hashes for pod in self._seen(POD, f",pod-template-hash={each}"))], not_created

    def _seen(self, kind: Kind, more: str = "") -> list[Manifest]:
        return self._cluster.seen_objects(kind, self.selector + more, namespace=self._namespace)

    def _judge_none(self, why: str) -> Trouble:
        self.progress = f"no pod is allowed: {why}"
        details = _NOT_ALLOWED.format(self._namespace)
        limit_s = LONGEST_WEBHOOK_S if "failed calling webhook" in why else LONGEST_TROUBLE_S
        return Trouble("", "refused", limit_s, f"Kubernetes makes no pod: {why}", lambda: [details])

    def _judge(self, pod: Manifest) -> Trouble | None:
        name, reason = name_of(pod), _waiting(pod, "reason")
        image = at(pod, "spec", "containers", 0, "image") or ""
        scheduled = str(condition(pod, "PodScheduled").get("message") or "")
        self.progress = f"{name}: {reason or scheduled or 'not Ready yet'}"

        def happened(*more: str) -> list[str]:
            return [events(self._session, "Pod", name, self._namespace), *more]

        def trouble(kind: str, limit_s: float, title: str, details: Callable[[], list[str]] = happened) -> Trouble:
            return Trouble(name, kind, limit_s, f"Pod {name} {title}", details)

        if self._kind == APP and 2 in _exit_statuses(pod):
            title = "ends with status 2: one of its settings is wrong. What it said:"
            return trouble("setting", 0, title, lambda: [self._last_words(name)])
        if re.search("ErrImage|ImagePullBackOff|InvalidImageName", reason):
            how = _HOW_TO_BUILD if self._kind == APP or "clickstream-" in image else ""
            title = f"can't get its image {image} ({reason})"
            return trouble("image", LONGEST_TROUBLE_S, title, lambda: happened(how))
        if re.search("CreateContainerConfigError|CreateContainerError|RunContainerError", reason):
            return trouble("start", LONGEST_TROUBLE_S, f"can't start ({reason}): {_waiting(pod, 'message')}")
        if "ContainerCreating" in reason:
            missing = any(re.search("not found|non-existent", each) for each in self._events(name, "FailedMount"))
            title = "can't start, because a volume can't be mounted:"
            return trouble("mount", LONGEST_REFUSAL_S, title) if missing else None
        if (reason and "CrashLoopBackOff" not in reason) or "scheduling gates" in scheduled:
            return None
        if scheduled:
            if self._events(name, "TriggeredScaleUp", "Nominated"):
                self.progress = f"{name}: a node for it is on its way"
                return None
            waits = LONGEST_UNSCHEDULED_S
            return trouble("schedule", waits, "fits on no node:", lambda: happened(claims(self._session, pod)))
        if self._is_refused(name):
            title = "runs, but it can't do its work, and waiting does not change that:"
            return trouble("kafka", LONGEST_REFUSAL_S, title, self._refused)
        restarts = at(pod, "status", "containerStatuses", 0, "restartCount") or 0
        if not reason or restarts < (4 if self._kind == KAFKA_PODS else 2):
            return None
        title, log = f"ends again and again ({image})", "  the end of its log:"
        return trouble("crash", LONGEST_TROUBLE_S, title, lambda: happened(log, self._last_words(name)))

    def _is_refused(self, name: str) -> bool:
        """Judge by the log: an app that Kafka refuses keeps trying, because a password may be corrected."""
        if self._kind != APP:
            return False
        line, refuses = last_word(self._cluster.log(name, self._namespace, tail=300, sinceSeconds="900"))
        if refuses:
            self._refusal = line
        elif line or self._suspect != (name, "kafka"):
            return False
        # A container that was started again has said nothing yet: the last word of the one before holds.
        self.progress = f"{name}: {self._refusal}"
        return True

    def _refused(self) -> list[str]:
        """Return the refusal and where to look, by what the app logged."""
        where = next(remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, self._refusal))
        place = {"namespace": self._namespace, "bootstrap_servers": self._bootstrap_servers}
        return [indented(self._refusal), f"  {where.format_map(place)}"]

    def _events(self, pod: str, *reasons: str) -> list[str]:
        found = event_list(self._session, "Pod", pod, self._namespace)
        return [str(each.get("message")) for each in found if each.get("reason") in reasons]

    def _last_words(self, pod: str) -> str:
        """Return the end of the log of the previous run, or of this one when there is no other."""
        log = self._cluster.log
        return indented(log(pod, self._namespace, previous="true") or log(pod, self._namespace))


def _waiting(pod: Manifest, what: str) -> str:
    """Return the reason or the message of all waiting containers."""
    statuses = at(pod, "status", "containerStatuses") or []
    return " ".join(filter(None, (at(each, "state", "waiting", what) for each in statuses)))


def _exit_statuses(pod: Manifest) -> set[int]:
    statuses = at(pod, "status", "containerStatuses") or []
    return {at(each, state, "terminated", "exitCode") for each in statuses for state in ("state", "lastState")}


def _revision(replica_set: Manifest) -> int:
    return int(at(replica_set, "metadata", "annotations", "deployment.kubernetes.io/revision") or 0)


def _not_created(manifest: Manifest) -> str:
    """Return why a ReplicaSet or a Deployment could not create its objects."""
    for each in at(manifest, "status", "conditions") or []:
        if each.get("type") == "ReplicaFailure" or each.get("reason") == "ReplicaSetCreateError":
            return str(each.get("message") or "")
    return ""
