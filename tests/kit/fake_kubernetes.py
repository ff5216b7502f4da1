"""A Kubernetes API in memory, and a helm and a kubectl kustomize, for what setup.sh and cleanup.sh decide.

The API holds objects; requests read and change them. Strimzi's objects are Ready as soon as they are made, and deleted
objects are gone at once, unless a test says otherwise. Time passes only when the programs wait.
"""

import io
import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clickstream_deploy import program
from clickstream_deploy.cleanup import CLEANUP
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.kinds import Kind, kind_of
from clickstream_deploy.objects import at
from clickstream_deploy.options import parse
from clickstream_deploy.programs import Done, Programs
from clickstream_deploy.progress import Clock
from clickstream_deploy.setup import setup
from clickstream_deploy.usage import USAGE
from kit import inventory

Manifest = dict[str, Any]
Key = tuple[str, str, str, str]
"""Group, plural, namespace and name of an object."""

STRIMZI = "kafka.strimzi.io"
RELEASES = tuple(each.name for each in inventory.releases() if not each.option)
COLLECTOR = "clickstream-collector"
TOPICS = {name: manifest["spec"]["partitions"] for name, manifest in inventory.topics().items()}
MADE_BY_SETUP = {"app.kubernetes.io/managed-by": "setup.sh"}
OF_KAFKA = {"strimzi.io/cluster": "data-on-eks"}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v\w+)(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?"
    r"/(?P<plural>\w+)(?:/(?P<name>[^/]+))?"
)


def manifest(
    kind: str, name: str, api: str = "v1", *, labels: Mapping[str, str] | None = None, **rest: Any
) -> Manifest:
    """An object; api is group/version."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": dict(labels or {})}, **rest}


def pod(name: str, *, reason: str = "", restarts: int = 0, ready: bool = False, **rest: Any) -> Manifest:
    """A pod of clickstream-consumer's newest revision (abc), whose container waits for the reason.

    Also: exited, a status with which its container ended; unscheduled, why no node takes it; labels.
    """
    state = {"waiting": {"reason": reason}} if reason else {}
    status: Manifest = {"restartCount": restarts, "state": state}
    if "exited" in rest:
        status["lastState"] = {"terminated": {"exitCode": rest["exited"]}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    if "unscheduled" in rest:
        conditions.append({"type": "PodScheduled", "status": "False", "message": rest["unscheduled"]})
    labels = {"app.kubernetes.io/instance": "clickstream-consumer", "pod-template-hash": "abc"}
    spec = {"containers": [{"name": "app", "image": "localhost/app:nope"}]}
    return manifest(
        "Pod", name, labels=rest.get("labels", labels), spec=spec,
        status={"conditions": conditions, "containerStatuses": [status]},
    )  # fmt: skip


def replica_set(revision: int, pod_hash: str, why: str = "", **labels: str) -> Manifest:
    """One of clickstream-consumer's; `why` its pods are not allowed."""
    chosen = {"app.kubernetes.io/instance": "clickstream-consumer", "pod-template-hash": pod_hash, **labels}
    found = manifest("ReplicaSet", f"app-{pod_hash}", "apps/v1", labels=chosen)
    found["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
    found["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": why}] if why else []}
    return found


def event(of: str, reason: str, message: str, kind: str = "Pod") -> Manifest:
    """What happened to an object."""
    involved = {"kind": kind, "name": of}
    return manifest("Event", f"{of}.{reason}", involvedObject=involved, type="Warning", reason=reason, message=message)


class FakeClock(Clock):
    """Time passes when one sleeps; `at` calls what is due, as Ctrl+C is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def elapsed(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when, call in [each for each in self.due if each[0] <= self.now]:
            self.due.remove((when, call))
            call()


@dataclass
class FakeApi:
    """The API; `happened` takes what was changed, as "create KafkaTopic/clickstream-events"."""

    happened: list[str]
    context: str = "fake"
    server: str = "https://fake:6443"
    version: str = "v1.34.0"
    objects: dict[Key, Manifest] = field(default_factory=dict)
    kinds: dict[str, list[Kind]] = field(default_factory=dict)
    """The kinds of each group that is served, each in one version."""
    denied: set[str] = field(default_factory=set)
    """Rights that the user has not, as "create kafkatopics.kafka.strimzi.io"."""
    errors: dict[str, ApiError] = field(default_factory=dict)
    """What requests fail with, by a pattern of "METHOD path"."""
    logs: dict[str, list[str]] = field(default_factory=dict)
    """The logs of each pod, one after the other and then the last; and those of the run before, as "previous POD"."""
    lasting: dict[str, float] = field(default_factory=dict)
    """How often objects of a kind are still seen after they are deleted; math.inf for always."""
    status: dict[str, Manifest] = field(default_factory=dict)
    """The status of new objects of a kind, where it is not Ready."""
    asked: list[str] = field(default_factory=list)
    """The questions for rights."""
    dry: list[Manifest] = field(default_factory=list)
    """What was asked of the server in a dry run."""

    def serve(self, group: str, version: str, *kinds: str) -> None:
        self.kinds[group] = [Kind(kind, group, version) for kind in kinds]

    def add(self, *manifests: Manifest, namespace: str = "kafka") -> None:
        for each in manifests:
            kind = kind_of(each)
            each["metadata"] = {"namespace": namespace, "generation": 1, **each["metadata"]}
            self.objects[kind.group, kind.plural, each["metadata"]["namespace"], each["metadata"]["name"]] = each

    def remove(self, kind: str, name: str) -> None:
        (key,) = [key for key, each in self.objects.items() if (each["kind"], key[3]) == (kind, name)]
        del self.objects[key]

    def of(self, kind: str) -> dict[str, Manifest]:
        """The objects of a kind, by name."""
        return {key[3]: each for key, each in self.objects.items() if each["kind"] == kind}

    def request(
        self, method: str, path: str, *, body: Any = None, content: str = "", timeout_s: float = 0,
        query: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        query = query or {}
        for pattern, error in self.errors.items():
            if re.search(pattern, f"{method} {path}"):
                raise error
        if path.endswith("/log"):
            return self._log(path.split("/")[-2], "previous" in query)
        if path.endswith("selfsubjectaccessreviews"):
            return self._review(body["spec"]["resourceAttributes"])
        found = _PATH.fullmatch(path)
        if found is None:
            return self._discover(path)
        group, plural, namespace, name = (found[each] or "" for each in ("group", "plural", "namespace", "name"))
        served = {each.version for each in self.kinds.get(group, [])}
        if "." in group and not group.endswith(".k8s.io") and found["version"] not in served:
            raise ApiError(404, "the server could not find the requested resource")
        if method == "GET" and not name:
            return {"items": deepcopy(self._list(group, plural, namespace, query))}
        # Objects that are in no namespace are kept in kafka's.
        key = (group, plural, namespace or "kafka", name or (body or {}).get("metadata", {}).get("name"))
        if method == "POST" or "apply" in content:
            return self._write("create" if method == "POST" else "apply", key, deepcopy(body), query)
        existing = self.objects.get(key)
        if existing is None:
            raise ApiError(404, f"{plural} {name!r} not found")
        if method == "PATCH":
            self.happened.append(f"patch {existing['kind']}/{name} {json.dumps(body)}")
            _merge(existing, body)
        elif method == "DELETE":
            self.happened.append(f"delete {existing['kind']}/{name}")
            existing["metadata"]["seen"] = self.lasting.get(existing["kind"], 0)
            if not existing["metadata"]["seen"]:
                del self.objects[key]
        return deepcopy(existing)

    def _write(self, verb: str, key: Key, body: Manifest, query: Mapping[str, str]) -> Manifest:
        if "dryRun" in query:
            self.dry.append(body)
            return body
        self.happened.append(f"{verb} {body['kind']}/{key[3]}")
        body["metadata"] |= {"namespace": key[2], "generation": 1}
        if STRIMZI in key[0]:
            body["status"] = deepcopy(self.status.get(body["kind"], READY))
        self.objects[key] = body
        return deepcopy(body)

    def _list(self, group: str, plural: str, namespace: str, query: Mapping[str, str]) -> list[Manifest]:
        found = []
        for key, each in list(self.objects.items()):
            if key[:2] == (group, plural) and namespace in ("", key[2]) and _selected(each, query):
                found.append(each)
                each["metadata"]["seen"] = each["metadata"].get("seen", math.inf) - 1
                if each["metadata"]["seen"] <= 0:
                    del self.objects[key]
        return found

    def _log(self, name: str, previous: bool) -> str:
        logs = self.logs.get(f"previous {name}" if previous else name, [""])
        return logs.pop(0) if len(logs) > 1 else logs[0]

    def _review(self, asked: Mapping[str, str]) -> Manifest:
        sub = f"/{asked['subresource']}" if asked["subresource"] else ""
        group = f".{asked['group']}" if asked["group"] else ""
        right = f"{asked['verb']} {asked['resource']}{sub}{group}"
        self.asked.append(right)
        return {"status": {"allowed": right not in self.denied}}

    def _discover(self, path: str) -> Any:
        if path == "/version":
            return {"gitVersion": self.version}
        if path == "/apis":
            named = {name: [{"version": kinds[0].version}] for name, kinds in self.kinds.items() if name}
            return {"groups": [{"name": name, "versions": versions} for name, versions in named.items()]}
        group, _, version = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
        kinds = [each for each in self.kinds.get(group, []) if each.version == version]
        if not kinds:
            raise ApiError(404, "404 page not found")
        verbs = ["list", "delete"]
        resources = [{"name": e.plural, "kind": e.name, "namespaced": e.namespaced, "verbs": verbs} for e in kinds]
        return {"resources": resources}


@dataclass
class FakePrograms(Programs):
    """helm, which knows `releases` by their status, and kubectl kustomize."""

    happened: list[str]
    missing: set[str] = field(default_factory=set)
    releases: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    """What helm says when it can't do something, by a pattern of the call."""
    hanging: set[str] = field(default_factory=set)
    """Releases whose pods never become Ready."""
    rendered: dict[str, str] = field(default_factory=dict)
    history: str = ""
    contexts: str = ""
    helm: str = "v3.22.0+g1234567"
    manifests: dict[str, list[Manifest]] = field(default_factory=dict)
    """What kustomize makes of folders of strimzi/."""
    calls: list[str] = field(default_factory=list)
    values: dict[str, list[Manifest]] = field(default_factory=dict)
    """What helm was given with --values, by release, the last files last."""
    stopped: list[str] = field(default_factory=list)

    def has(self, program: str) -> bool:
        return program not in self.missing

    def run(self, *command: str, timeout_s: float | None = None) -> Done:
        call = " ".join(command)
        self.calls.append(call)
        for pattern, error in self.failing.items():
            if re.search(pattern, call):
                return Done(1, "", error)
        if command[1] == "config":
            return Done(0, self.contexts)
        if command[1] == "kustomize":
            folder = command[2].partition("/strimzi/")[2]
            return Done(0, yaml.safe_dump_all(self.manifests[folder]))
        verb, name = command[1], command[2]
        if verb == "version":
            return Done(0, self.helm)
        if verb == "template":
            return Done(0, self.rendered.get(name, RENDERED))
        if verb == "status":
            status = self.releases.get(name)
            return Done(0, f"NAME: {name}\nSTATUS: {status}\n") if status else Done(1, "", "Error: release: not found")
        if verb == "history":
            return Done(0, self.history)
        if verb == "uninstall":
            self.happened.append(f"uninstall {name}")
            self.releases.pop(name, None)
        return Done(0, "")

    def start(self, *command: str) -> "FakeRunning":
        name = command[3]
        self.calls.append(" ".join(command))
        self.happened.append(f"install {name}")
        files = [command[at + 1] for at, each in enumerate(command) if each == "--values"]
        self.values[name] = [yaml.safe_load(Path(each).read_text(encoding="utf-8")) for each in files]
        failed = next((each for pattern, each in self.failing.items() if re.search(pattern, " ".join(command))), None)
        done = None if name in self.hanging else Done(0, "") if failed is None else Done(1, failed)
        return FakeRunning(self, name, done)


@dataclass
class FakeRunning:
    """helm at work."""

    programs: FakePrograms
    name: str
    ends: Done | None

    def done(self) -> Done | None:
        return self.ends

    def stop(self) -> None:
        if self.ends is None:
            self.programs.stopped.append(self.name)


@dataclass(frozen=True)
class Finished:
    """How a program ended."""

    status: int
    output: str
    error: str


class FakeCluster:
    """All of it; `happened` is what was changed, in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.api = FakeApi(self.happened)
        self.programs = FakePrograms(self.happened)
        self.clock = FakeClock()
        self.connect: Callable[[Any], Any] = lambda _: self.api

    def run(self, *command: str) -> Finished:
        """Run setup.sh or cleanup.sh, with its options as in a shell."""
        script, *arguments = shlex.split(" ".join(command))
        out, err = io.StringIO(), io.StringIO()
        try:
            options = parse(script, arguments)
        except EndedError as error:
            return Finished(error.status, "", f"{script}: {error}\n")
        if options is None:
            return Finished(0, USAGE[script], "")
        world = program.World(self.connect, self.programs, self.clock, out, err)
        status = program.run(setup(options) if script == "setup.sh" else CLEANUP, options, world)
        return Finished(status, out.getvalue(), err.getvalue())

    def set_up(self, options: str = "") -> str:
        """Run setup.sh, which succeeds, and return what it prints."""
        return self._succeeds(f"setup.sh {options}")

    def clean_up(self, options: str = "") -> str:
        """Run cleanup.sh, which succeeds, and return what it prints."""
        return self._succeeds(f"cleanup.sh {options}")

    def _succeeds(self, command: str) -> str:
        finished = self.run(command)
        assert finished.status == 0, finished.error
        return finished.output

    def fails(self, command: str, *words: str) -> str:
        """Run it; it ends early, with these words in its error. Return the error."""
        finished = self.run(command)
        assert finished.status == 1, finished
        for each in words:
            assert each in finished.error, f"{each!r} is not in {finished.error}"
        return finished.error

    def refuses(self, command: str, *words: str) -> str:
        """Run it; it ends with these words before it has changed anything. Return the error."""
        error = self.fails(command, *words)
        assert self.happened == []
        return error

    def matching(self, pattern: str) -> list[str]:
        """What was changed and matches."""
        return [each for each in self.happened if re.search(pattern, each)]

    def installed(self) -> list[str]:
        """The releases in the order in which they were installed."""
        return [each.split()[1] for each in self.matching("^install ")]

    def values(self, release: str) -> Manifest:
        """All values that helm was given for a release, merged as helm does."""
        merged: Manifest = {}
        for each in self.programs.values[release]:
            _merge(merged, each)
        return merged

    def kafka(self) -> Manifest:
        """The Kafka data-on-eks, to be changed."""
        return self.api.of("Kafka")["data-on-eks"]

    def without_kafka(self) -> None:
        self.api.remove("Kafka", "data-on-eks")
        self.api.remove("KafkaNodePool", "dual-role")

    def mark(self, kind: str, name: str, **more: str) -> None:
        """As made by setup.sh."""
        self.api.of(kind)[name]["metadata"]["labels"] |= {**MADE_BY_SETUP, **more}

    def press_ctrl_c(self, after_s: float) -> None:
        """After so many seconds."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        self.clock.due.append((after_s, interrupt))


def healthy_cluster() -> FakeCluster:
    """A cluster with Strimzi and, in namespace kafka, a Ready Kafka data-on-eks: one broker, TLS with SCRAM, ACLs."""
    cluster = FakeCluster()
    api, programs = cluster.api, cluster.programs
    api.serve(STRIMZI, "v1", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
    api.serve("", "v1", "ConfigMap", "Pod", "Secret", "ServiceAccount", "Event")
    pool = strimzi("KafkaNodePool", "dual-role", spec={"replicas": 1, "roles": ["controller", "broker"]})
    api.add(manifest("Namespace", "kafka"), ready_kafka(), pool)
    for overlay, replicas in (("dev", 1), ("eks", 3)):
        programs.manifests[f"overlays/{overlay}/topics"] = [
            {**each, "spec": {**each["spec"], "replicas": replicas}} for each in inventory.topics().values()
        ]
    programs.manifests["overlays/dev/kafka"] = [{**ready_kafka(), "status": {}}, deepcopy(pool)]
    programs.manifests["base/users"] = [user(name) for name in RELEASES]
    programs.manifests["collector"] = [user(COLLECTOR)]
    programs.rendered["clickstream-streams-processor"] = processor_deployment()
    return cluster


def strimzi(kind: str, name: str, **rest: Any) -> Manifest:
    """One of Strimzi's objects, of Kafka data-on-eks unless other labels are given."""
    return manifest(kind, name, f"{STRIMZI}/v1", labels=rest.pop("labels", OF_KAFKA), **rest)


def ready_kafka(name: str = "data-on-eks") -> Manifest:
    """With a listener for TLS with SCRAM, and ACLs."""
    kafka = {"listeners": [SCRAM], "authorization": {"type": "simple"}}
    status = {**READY, "kafkaVersion": "4.3.1", "listeners": []}
    operators: Manifest = {"topicOperator": {}, "userOperator": {}}
    return strimzi("Kafka", name, spec={"kafka": kafka, "entityOperator": operators}, status=status)


def user(name: str) -> Manifest:
    """As in strimzi/base/users."""
    return strimzi("KafkaUser", name, spec={"authentication": {"type": "scram-sha-512"}, "authorization": {"acls": []}})


def topic(name: str, *, partitions: int = 6, replicas: int = 1, retention: str = "", **rest: Any) -> Manifest:
    """A Ready KafkaTopic; `labels` beside that of its Kafka, `spec` beside the rest, and others of its metadata."""
    config = {"retention.ms": int(retention)} if retention else {}
    spec = {"partitions": partitions, "replicas": replicas, "config": config, **rest.pop("spec", {})}
    found = strimzi("KafkaTopic", name, spec=spec, status=READY, labels={**OF_KAFKA, **rest.pop("labels", {})})
    found["metadata"] |= rest
    return found


def listener(name: str, port: int, tls: bool, authentication: str = "", kind: str = "internal") -> Manifest:
    """A listener in a Kafka resource."""
    found: Manifest = {"name": name, "port": port, "type": kind, "tls": tls}
    return {**found, "authentication": {"type": authentication}} if authentication else found


SCRAM = listener("tls", 9093, True, "scram-sha-512")
MUTUAL = listener("mutual", 9095, True, "tls")
RENDERED = "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Service\n"


def processor_deployment(*more: tuple[str, str], **settings: str) -> str:
    """What Helm makes of the processor's chart, with these settings in its container's environment, `more` last."""
    environment = {
        "EVENTS_TOPIC": "clickstream-events",
        "METRICS_TOPIC": "clickstream-metrics",
        "PARTIALS_TOPIC": "clickstream-window-partials",
        "WINDOW_SIZE": "5m",
        "OUT_OF_ORDERNESS": "5s",
        "ALLOWED_LATENESS": "1m",
        **settings,
    }
    container = {"env": [{"name": name, "value": value} for name, value in (*environment.items(), *more)]}
    deployment = manifest("Deployment", "clickstream-streams-processor", "apps/v1")
    deployment["spec"] = {"template": {"spec": {"containers": [container]}}}
    return str(yaml.safe_dump_all([deployment, manifest("Service", "clickstream-streams-processor")]))


def _merge(existing: Manifest, change: Manifest) -> None:
    for name, value in change.items():
        if value is None:
            existing.pop(name, None)
        elif isinstance(value, dict) and isinstance(existing.get(name), dict):
            _merge(existing[name], value)
        else:
            existing[name] = value


def _selected(each: Manifest, query: Mapping[str, str]) -> bool:
    labels = at(each, "metadata", "labels") or {}
    wanted = [part.partition("=") for part in query.get("labelSelector", "").split(",") if part]
    fields = [part.partition("=") for part in query.get("fieldSelector", "").split(",") if part]
    return all(labels.get(name) == value if equal else name in labels for name, equal, value in wanted) and all(
        at(each, *name.split(".")) == value for name, _, value in fields
    )
