"""Waiting with progress and a time limit: until Strimzi's objects are Ready, and until something is gone."""

from collections.abc import Callable, Sequence

from clickstream_deploy.conditions import SETTLED, SILENCE, is_final, state_of
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import LONGEST_SILENCE_S, object_explanation, pods, silence_explanation
from clickstream_deploy.kinds import CONNECT, CONNECTOR, KAFKA, POD, Kind
from clickstream_deploy.objects import is_ready, name_of
from clickstream_deploy.pods import KAFKA_PODS, Watch
from clickstream_deploy.session import Session

DISAPPEARANCE_TIMEOUT_S = 30
"""What belonged to something that was removed is removed by Kubernetes, a little later."""


def wait_until_ready(session: Session, kind: Kind, names: Sequence[str]) -> None:
    """Wait until all are Ready. Raises EndedError with an explanation when one can't be, or the time is over."""
    selector = f"strimzi.io/name={session.kafka}-entity-operator"
    if kind in (KAFKA, CONNECT):
        selector = f"strimzi.io/cluster={names[0]}"
    elif kind == CONNECTOR:
        selector = "strimzi.io/kind=KafkaConnect"
    watch = Watch(session, KAFKA_PODS, selector)
    timeout_s = session.options.timeout_s
    for waited in session.progress.looks(timeout_s):
        states = {name: _state(session, kind, name) for name in names}
        waiting = {name: state for name, state in states.items() if state not in SETTLED}
        if not waiting:
            return
        watch.look()
        for name, state in waiting.items():
            what, why, explanation = f"{kind.name} {name}", "", ""
            if is_final(state) and waited >= 10:
                why = f"{what} can't become Ready: see above"
            elif state == SILENCE and waited >= LONGEST_SILENCE_S:
                why = f"no operator is reconciling {what}: see above"
                explanation = silence_explanation(session, kind, name)
            elif watch.trouble:
                why, explanation = f"{what} can't become Ready ({state}): see above", watch.explanation()
            elif waited >= timeout_s:
                again = "setup.sh can be run again, and --timeout sets how long it waits"
                why = f"{what} is not Ready after {timeout_s}s: see above; {again}"
            if why:
                raise EndedError(why, explanation=explanation or object_explanation(session, kind, name, state))
        name, state = next(iter(waiting.items()))
        seen = f" ({watch.progress})" if watch.progress else ""
        session.progress.waiting(f"Waiting for {kind.name} {name}: {state}{seen}")


def wait_for_pods(session: Session, what: str, selector: str) -> None:
    """Wait until there are such pods, and all are Ready. Raises EndedError with an explanation."""
    watch, timeout_s = Watch(session, KAFKA_PODS, selector), session.options.timeout_s
    for waited in session.progress.looks(timeout_s):
        found = session.cluster.objects(POD, selector)
        if found and all(map(is_ready, found)):
            return
        watch.look()
        if watch.trouble:
            message = f"{what} does not come up: see above, then run setup.sh again"
            raise EndedError(message, explanation=watch.explanation())
        if waited >= timeout_s:
            message = f"{what} is not Ready after {timeout_s}s: see above; setup.sh can be run again"
            raise EndedError(message, explanation=pods(session, session.namespace, selector))
        session.progress.waiting(f"Waiting for {what}: {watch.progress or 'its pod is being made'}")


def _state(session: Session, kind: Kind, name: str) -> str:
    try:
        found = session.cluster.get(kind, name)
    except ApiError as error:
        raise EndedError(f"{kind} {name} can't be read: {error}") from error
    if found is None:
        place = f"in namespace {session.namespace}"
        raise EndedError(f"{kind.name} {name} {place} was removed while setup.sh waited for it")
    return state_of(found)


def left_after(session: Session, left: Callable[[], list[str]], limit_s: float, wait: str = "") -> list[str]:
    """Wait until nothing is left or the time is over, and return what is left. `wait` is shown before the names."""
    found: list[str] = []
    for _ in session.progress.looks(min(limit_s, session.options.timeout_s)):
        found = left()
        if not found:
            break
        if wait:
            session.progress.waiting(f"{wait} {', '.join(found)}")
    return found


def remove_all(session: Session, kinds: Sequence[Kind], selector: str) -> bool:
    """Delete what the selector chooses, and wait until it is gone. Return whether there was anything."""
    found = [(kind, name_of(each)) for kind in kinds for each in session.cluster.objects(kind, selector)]
    for kind, name in found:
        session.cluster.delete(kind, name)
    wait_until_gone(session, lambda: session.cluster.names(kinds, selector))
    return bool(found)


def wait_until_gone(session: Session, left: Callable[[], list[str]]) -> None:
    """Wait until nothing is left. Raises EndedError when the time is over."""
    timeout_s = session.options.timeout_s
    found = left_after(session, left, timeout_s, "Waiting until these are gone:")
    if found:
        raise EndedError(
            f"{', '.join(found)} in namespace {session.namespace}: not gone after {timeout_s}s; kubectl describe shows"
            " what holds it, then run cleanup.sh again"
        )
