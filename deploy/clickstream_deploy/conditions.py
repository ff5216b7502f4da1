"""The state of one of Strimzi's objects, read from its conditions."""

from clickstream_deploy.objects import Manifest, at, condition

READY = "Ready"
SILENCE = "its operator has said nothing yet"
SETTLED = (READY, "Unmanaged")
"""There is nothing to wait for; topics that Strimzi does not manage never become Ready."""

BEFORE_CHANGE = " (said before the last change, which its operator is not done with yet)"

_FINAL = (
    *("NotSupported:", "ResourceConflict:", "InvalidResource", "Unsupported", "ReconciliationPaused:"),
    # A connector's configuration was refused, or its task has ended.
    *("ConnectRestException:", "Throwable: The following tasks have failed"),
)


def state_of(manifest: Manifest) -> str:
    """Return READY, "Unmanaged", SILENCE, or why the object is not Ready, as "Reason: message".

    Conditions come first, because they say what the operator is at: its first status of a Kafka, which may stand for
    minutes, has observedGeneration 0. Only Ready says nothing about a change that the operator has not seen yet.
    """
    generation = int(at(manifest, "metadata", "generation") or 0)
    observed = at(manifest, "status", "observedGeneration")
    conditions = at(manifest, "status", "conditions") or []
    status = {each.get("type"): each.get("status") for each in conditions}
    if observed is None and not conditions:
        return SILENCE
    if status.get("Ready") == "True":
        changed = observed is not None and observed < generation
        return "Changed: its operator is not done with the last change yet" if changed else READY
    if status.get("Unmanaged") == "True":
        return "Unmanaged"
    for kind, wrong in (("NotReady", "True"), ("Ready", "False")):
        if status.get(kind) == wrong:
            # An error of an earlier generation may have been corrected since.
            earlier = 0 < (observed or 0) < generation
            return _words(condition(manifest, kind)) + (BEFORE_CHANGE if earlier else "")
    if status.get("ReconciliationPaused") == "True":
        return "ReconciliationPaused: its annotation strimzi.io/pause-reconciliation is true"
    others = [each for each in conditions if each.get("type") != "Warning"]
    return _words(others[0]) if others else "Unknown: it has no condition yet"


def is_final(state: str) -> bool:
    """Whether waiting won't help; everything else may pass by itself."""
    return not state.endswith(BEFORE_CHANGE) and state.startswith(_FINAL)


def _words(found: Manifest) -> str:
    message = " ".join(str(found.get("message") or "").split("\n"))
    return f"{found.get('reason') or found.get('type')}: {message}"
