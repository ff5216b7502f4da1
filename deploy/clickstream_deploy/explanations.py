"""Conditions, events and logs that explain why something does not come up; each function returns text."""

from clickstream_deploy.cluster import ALL_NAMESPACES
from clickstream_deploy.kinds import CLAIM, CONNECT, CONNECTOR, DEPLOYMENT, EVENT, KAFKA, POD, TOPIC, USER, Kind
from clickstream_deploy.objects import Manifest, at, is_ready, name_of
from clickstream_deploy.session import Session

LONGEST_SILENCE_S = 90
"""An operator that runs says something about a new object within seconds."""


def object_explanation(session: Session, kind: Kind, name: str, state: str) -> str:
    """Explain why one of Strimzi's objects is not Ready."""
    of_kafka = f"strimzi.io/cluster={name}"
    return joined(
        f"{kind.name} {name} in namespace {session.namespace}: {state}",
        conditions(session, kind, name) if kind != CONNECTOR else "",
        events(session, kind.name, name),
        pods(session, session.namespace, of_kafka) if kind in (KAFKA, CONNECT) else "",
        connector_traces(session, name) if kind == CONNECTOR else "",
        entity_operator(session) if kind in (TOPIC, USER) else "",
    )


def silence_explanation(session: Session, kind: Kind, name: str) -> str:
    """Explain why no operator has reconciled an object."""
    operators = running_operators(session)
    what = f"{kind.name} {name} in namespace {session.namespace}"
    lines = [f"{what} was created {LONGEST_SILENCE_S}s ago or more, and has no status for it:"]
    if not operators:
        lines += [
            "  this cluster has no Deployment of Strimzi's operator that you can see. Start it again, or install it",
            "  (./setup.sh --install-operator), then run setup.sh again.",
        ]
    elif kind not in (TOPIC, USER):
        namespace, _, operator = operators[-1].partition("/")
        lines += [
            f"  Strimzi's operator ({', '.join(operators)}) does not run, or does not watch this namespace",
            "  (watchAnyNamespace or watchNamespaces in its Helm values). Its log:",
            deployment_log(session, operator, namespace),
        ]
    else:
        lines += [entity_operator(session)]
    return joined(*lines)


def connector_traces(session: Session, name: str) -> str:
    """Return what ended a connector and its tasks: the first line of each trace, and of its last cause."""
    status = at(session.cluster.seen(CONNECTOR, name), "status", "connectorStatus") or {}
    lines = []
    for each in (at(status, "connector") or {}, *(at(status, "tasks") or [])):
        trace = str(each.get("trace") or "").splitlines()
        if trace:
            what = f"task {each['id']}" if "id" in each else "the connector"
            lines += [f"{what} has ended: {trace[0]}"]
            lines += [line.strip() for line in trace if line.startswith("Caused by: ")][-1:]
    again = f"kubectl annotate kafkaconnector {name} -n {session.namespace} strimzi.io/restart=true"
    return joined(indented(*lines), f"  Once the cause is gone: {again}") if lines else ""


def running_operators(session: Session) -> list[str]:
    """Return the Deployments of Strimzi's operators as namespace/name."""
    return [
        f"{each['metadata']['namespace']}/{name_of(each)}"
        for each in session.cluster.seen_objects(DEPLOYMENT, namespace=ALL_NAMESPACES)
        if at(each, "spec", "template", "metadata", "labels", "strimzi.io/kind") == "cluster-operator"
    ]


def conditions(session: Session, kind: Kind, name: str) -> str:
    """All conditions of an object."""
    return indented(
        *(
            f"condition {each.get('type')}={each.get('status')} {each.get('reason', '')} {each.get('message', '')}"
            for each in at(session.cluster.seen(kind, name), "status", "conditions") or []
        )
    )


def unmet_conditions(session: Session, namespace: str, deployment: str) -> str:
    """Return a Deployment's unmet conditions: refused pods (quota, pod security) appear nowhere else."""
    found = at(session.cluster.seen(DEPLOYMENT, deployment, namespace), "status", "conditions") or []
    unmet = [f"{each['type']}: {each.get('message', '')}" for each in found if each.get("status") != "True"]
    return indented(*unmet, *(each.get("message", "") for each in found if each["type"] == "ReplicaFailure"))


def event_list(session: Session, kind: str, name: str, namespace: str = "") -> list[Manifest]:
    """The events of an object, the newest last."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    found = session.cluster.seen_objects(EVENT, fields=fields, namespace=namespace)
    return sorted(found, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))


def events(session: Session, kind: str, name: str, namespace: str = "") -> str:
    """The last events of an object."""
    found = event_list(session, kind, name, namespace)[-6:]
    return indented(*(f"event {each.get('type')} {each.get('reason')}: {each.get('message')}" for each in found))


def entity_operator(session: Session) -> str:
    """The entity operator, which manages topics and users: a pod of the Kafka cluster."""
    deployment = f"{session.kafka}-entity-operator"
    if session.cluster.seen(DEPLOYMENT, deployment):
        log = deployment_log(session, deployment, session.namespace)
        return joined(f"  Deployment {deployment} serves topics and users; its log:", log)
    return (
        f"  Deployment {deployment}, which serves topics and users, is not there:\n"
        f"  kubectl describe kafka {session.kafka} -n {session.namespace}"
    )


def deployment_log(session: Session, name: str, namespace: str) -> str:
    """Return the end of the log of one of the Deployment's pods."""
    labels = at(session.cluster.seen(DEPLOYMENT, name, namespace), "spec", "selector", "matchLabels") or {}
    selector = ",".join(f"{label}={value}" for label, value in labels.items())
    found = session.cluster.seen_objects(POD, selector, namespace=namespace) if selector else []
    return indented(session.cluster.log(name_of(found[0]), namespace, tail=5) if found else "it has no pod")


def pods(session: Session, namespace: str, selector: str) -> str:
    """Return the pods that are not Ready, with their events and logs."""
    lines = []
    for pod in session.cluster.seen_objects(POD, selector, namespace=namespace):
        if is_ready(pod):
            continue
        name = name_of(pod)
        lines += [f"  Pod {name} is not Ready:", events(session, "Pod", name, namespace), claims(session, pod)]
        log = session.cluster.log(name, namespace) or session.cluster.log(name, namespace, previous="true")
        lines += [indented(f"log of {name}:", log)] if log else []
    return joined(*lines)


def claims(session: Session, pod: Manifest) -> str:
    """Return the events of a pod's volume claims that are not bound."""
    lines, namespace = [], at(pod, "metadata", "namespace") or ""
    names = (at(each, "persistentVolumeClaim", "claimName") for each in at(pod, "spec", "volumes") or [])
    for name in filter(None, names):
        phase = at(session.cluster.seen(CLAIM, name, namespace), "status", "phase") or "not there"
        if phase != "Bound":
            lines.append(f"  {CLAIM.name} {name} is {phase}:")
            lines.append(events(session, CLAIM.name, name, namespace))
    return joined(*lines)


def indented(*texts: str) -> str:
    """The lines, as details."""
    return "\n".join(f"       {line}" for text in texts for line in text.rstrip("\n").splitlines())


def joined(*lines: str) -> str:
    """The lines that are not empty."""
    return "\n".join(filter(None, lines))
