"""Conditions, events and logs that explain why something does not come up; each function returns text."""

from clickstream_deploy.cluster import ALL_NAMESPACES
from clickstream_deploy.conditions import in_words
from clickstream_deploy.progress import indented
from clickstream_deploy.resources import (
    CLAIM,
    DEPLOYMENT,
    EVENT,
    KAFKA,
    POD,
    Manifest,
    Resource,
    at,
    condition,
    name_of,
)
from clickstream_deploy.session import Session

LONGEST_SILENCE_S = 90
"""An operator that runs says something about a new object within seconds."""


def object_explanation(session: Session, resource: Resource, name: str, state: str) -> str:
    """Explain why one of Strimzi's objects is not Ready."""
    lines = [
        f"{resource.kind} {name} in namespace {session.namespace}: {in_words(state)}",
        conditions(session, resource, name),
        events(session, session.namespace, resource.kind, name),
    ]
    if resource == KAFKA:
        lines += [pods(session, session.namespace, f"strimzi.io/cluster={name}")]
    else:
        lines += [entity_operator(session)]
    return joined(lines)


def silence_explanation(session: Session, resource: Resource, name: str) -> str:
    """Explain why no operator has reconciled an object."""
    what = f"{resource.kind} {name} in namespace {session.namespace}"
    lines = [f"{what} was created {LONGEST_SILENCE_S}s ago or more, and has no status for it:"]
    operators = running_operators(session)
    if not operators:
        lines += [
            "  this cluster has no Deployment of Strimzi's operator that you can see. Start it again, or install it",
            "  (./setup.sh --install-operator), then run setup.sh again.",
        ]
    elif resource == KAFKA:
        namespace, _, operator = operators[-1].partition("/")
        lines += [
            f"  Strimzi's operator ({', '.join(operators)}) does not run, or does not watch this namespace",
            "  (watchAnyNamespace or watchNamespaces in its Helm values). Its log:",
            deployment_log(session, operator, namespace),
        ]
    else:
        lines += [entity_operator(session)]
    return joined(lines)


def running_operators(session: Session) -> list[str]:
    """Return the Deployments of Strimzi's operators as namespace/name."""
    found = session.cluster.seen_objects(DEPLOYMENT, namespace=ALL_NAMESPACES)
    return [
        f"{each['metadata']['namespace']}/{name_of(each)}"
        for each in found
        if at(each, "spec", "template", "metadata", "labels", "strimzi.io/kind") == "cluster-operator"
    ]


def conditions(session: Session, resource: Resource, name: str) -> str:
    """All conditions of an object."""
    found = at(session.cluster.seen(resource, name), "status", "conditions") or []
    return indented(
        "\n".join(
            f"condition {each.get('type')}={each.get('status')} {each.get('reason', '')} {each.get('message', '')}"
            for each in found
        )
    )


def event_list(session: Session, namespace: str, kind: str, name: str) -> list[Manifest]:
    """The events of an object, the newest last."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    found = session.cluster.seen_objects(EVENT, fields=fields, namespace=namespace)
    return sorted(found, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""))


def events(session: Session, namespace: str, kind: str, name: str) -> str:
    """The last events of an object."""
    found = event_list(session, namespace, kind, name)[-6:]
    return indented(
        "\n".join(f"event {each.get('type')} {each.get('reason')}: {each.get('message')}" for each in found)
    )


def entity_operator(session: Session) -> str:
    """The entity operator, which manages topics and users: a pod of the Kafka cluster."""
    deployment = f"{session.kafka}-entity-operator"
    if session.cluster.seen(DEPLOYMENT, deployment):
        log = deployment_log(session, deployment, session.namespace)
        return joined([f"  Deployment {deployment} serves topics and users; its log:", log])
    return (
        f"  Deployment {deployment}, which serves topics and users, is not there:\n"
        f"  kubectl describe kafka {session.kafka} -n {session.namespace}"
    )


def deployment_log(session: Session, name: str, namespace: str) -> str:
    """Return the end of the log of one of the Deployment's pods."""
    deployment = session.cluster.seen(DEPLOYMENT, name, namespace)
    labels = at(deployment, "spec", "selector", "matchLabels") or {}
    selector = ",".join(f"{label}={value}" for label, value in labels.items())
    found = session.cluster.seen_objects(POD, selector, namespace=namespace) if selector else []
    return indented(session.cluster.log(name_of(found[0]), namespace, tail=5)) if found else indented("it has no pod")


def pods(session: Session, namespace: str, selector: str) -> str:
    """Return the pods that are not Ready, with their events and logs."""
    lines = []
    for pod in session.cluster.seen_objects(POD, selector, namespace=namespace):
        if condition(pod, "Ready").get("status") == "True":
            continue
        name = name_of(pod)
        lines += [f"  Pod {name} is not Ready:", events(session, namespace, "Pod", name), claims(session, pod)]
        log = session.cluster.log(name, namespace) or session.cluster.log(name, namespace, previous=True)
        lines += [indented(f"log of {name}:\n{log}")] if log else []
    return joined(lines)


def claims(session: Session, pod: Manifest | None) -> str:
    """Return the events of a pod's volume claims that are not bound."""
    lines = []
    for volume in at(pod, "spec", "volumes") or []:
        claim = at(volume, "persistentVolumeClaim", "claimName")
        if not claim:
            continue
        namespace = at(pod, "metadata", "namespace") or session.namespace
        phase = at(session.cluster.seen(CLAIM, claim, namespace), "status", "phase") or "not there"
        if phase != "Bound":
            lines += [
                f"  PersistentVolumeClaim {claim} is {phase}:",
                events(session, namespace, "PersistentVolumeClaim", claim),
            ]
    return joined(lines)


def replica_set(session: Session, release: str) -> str:
    """Return a Deployment's unmet conditions: refused pods (quota, pod security) appear nowhere else."""
    found = at(session.cluster.seen(DEPLOYMENT, release), "status", "conditions") or []
    unmet = [f"{each['type']}: {each.get('message', '')}" for each in found if each.get("status") != "True"]
    failed = [str(each.get("message", "")) for each in found if each["type"] == "ReplicaFailure"]
    return indented("\n".join([*unmet, *failed]))


def joined(lines: list[str]) -> str:
    """The lines that are not empty."""
    return "\n".join(line for line in lines if line)
