"""The state of one of Strimzi's objects, read from its conditions."""

from clickstream_deploy.objects import Manifest, at, condition

READY = "Ready"
UNMANAGED = "Unmanaged"
SILENCE = "silence"
"""No operator has said anything about the object."""

BEFORE_CHANGE = " (said before the last change, which its operator is not done with yet)"

_FINAL = ("NotSupported:", "ResourceConflict:", "InvalidResource", "Unsupported", "ReconciliationPaused:")


def state_of(manifest: Manifest) -> str:
    """Return READY, UNMANAGED, SILENCE, or why the object is not Ready, as "Reason: message".

    Conditions come first, because they say what the operator is at: its first status of a Kafka, which may stand for
    minutes, has observedGeneration 0. Only Ready says nothing about a change that the operator has not seen yet.
    """
    generation = int(at(manifest, "metadata", "generation") or 0)
    observed = at(manifest, "status", "observedGeneration")
    conditions = at(manifest, "status", "conditions") or []
    if observed is None and not conditions:
        return SILENCE
    if _status(manifest, "Ready") == "True":
        if observed is not None and observed < generation:
            return "Changed: its operator is not done with the last change yet"
        return READY
    if _status(manifest, "Unmanaged") == "True":
        return UNMANAGED
    for kind, status in (("NotReady", "True"), ("Ready", "False")):
        if _status(manifest, kind) == status:
            # An error of an earlier generation may have been corrected since.
            earlier = 0 < (observed or 0) < generation
            return _words(condition(manifest, kind)) + (BEFORE_CHANGE if earlier else "")
    if _status(manifest, "ReconciliationPaused") == "True":
        return "ReconciliationPaused: its annotation strimzi.io/pause-reconciliation is true"
    others = [each for each in conditions if each.get("type") != "Warning"]
    return _words(others[0]) if others else "Unknown: it has no condition yet"


def in_words(state: str) -> str:
    """Return the state in words."""
    return "its operator has said nothing yet" if state == SILENCE else state


def is_settled(state: str) -> bool:
    """Whether there is nothing to wait for; topics that Strimzi does not manage never become Ready."""
    return state in (READY, UNMANAGED)


def is_final(state: str) -> bool:
    """Whether waiting won't help; everything else may pass by itself."""
    return not state.endswith(BEFORE_CHANGE) and state.startswith(_FINAL)


def _status(manifest: Manifest, kind: str) -> str:
    return str(condition(manifest, kind).get("status", ""))


def _words(found: Manifest) -> str:
    message = " ".join(str(found.get("message") or "").split("\n"))
    return f"{found.get('reason') or found.get('type')}: {message}"
