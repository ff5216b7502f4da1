"""Waiting with progress and a time limit: for Strimzi's objects, for helm, and for things to go."""

from collections.abc import Callable, Sequence

from clickstream_deploy.conditions import SILENCE, in_words, is_final, is_settled, state_of
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import LONGEST_SILENCE_S, object_explanation, silence_explanation
from clickstream_deploy.pods import KAFKA_PODS, Watch
from clickstream_deploy.programs import Done, Running
from clickstream_deploy.resources import KAFKA, Resource
from clickstream_deploy.session import Session

_LOOK_EVERY_S = 2
_DISAPPEARANCE_TIMEOUT_S = 30
"""What belonged to something that was removed is removed by Kubernetes, a little later."""


def wait_until_ready(session: Session, resource: Resource, names: Sequence[str]) -> None:
    """Wait until all are Ready. Raises EndedError with an explanation when one can't be, or the time is over."""
    clock, progress = session.clock, session.progress
    selector = f"strimzi.io/cluster={names[0]}"
    if resource != KAFKA:
        selector = f"strimzi.io/name={session.kafka}-entity-operator"
    watch = Watch(session, KAFKA_PODS, selector)
    began = clock.elapsed()
    progress.begin_wait()
    while True:
        states = {name: _state(session, resource, name) for name in names}
        waiting = {name: state for name, state in states.items() if not is_settled(state)}
        if not waiting:
            return
        watch.look()
        waited = clock.elapsed() - began
        for name, state in waiting.items():
            what = f"{resource.kind} {name}"
            if is_final(state) and waited >= 10:
                explanation = object_explanation(session, resource, name, state)
                raise EndedError(f"{what} can't become Ready: see above", explanation=explanation)
            if state == SILENCE and waited >= LONGEST_SILENCE_S:
                explanation = silence_explanation(session, resource, name)
                raise EndedError(f"no operator is reconciling {what}: see above", explanation=explanation)
            if watch.trouble:
                message = f"{what} can't become Ready ({in_words(state)}): see above"
                raise EndedError(message, explanation=watch.explanation())
            if waited >= session.options.timeout_s:
                raise EndedError(
                    f"{what} is not Ready after {session.options.timeout_s}s: see above; setup.sh can be run again, and"
                    " --timeout sets how long it waits",
                    explanation=object_explanation(session, resource, name, state),
                )
        name, state = next(iter(waiting.items()))
        seen = f" ({watch.progress})" if watch.progress else ""
        progress.waiting(f"Waiting for {resource.kind} {name}: {in_words(state)}{seen}")
        clock.sleep(1)


def _state(session: Session, resource: Resource, name: str) -> str:
    try:
        found = session.cluster.get(resource, name)
    except ApiError as error:
        raise EndedError(f"{resource} {name} can't be read: {error}") from error
    if found is None:
        raise EndedError(
            f"{resource.kind} {name} in namespace {session.namespace} was removed while setup.sh waited for it"
        )
    return state_of(found)


def wait_for_helm(session: Session, helm: Running, watch: Watch, what: str, seen: str) -> Done | None:
    """Return how helm ended; None when it was ended because its pods are in trouble (watch.trouble).

    `seen` is the wait that is shown until there are pods.
    """
    looked = session.clock.elapsed()
    session.progress.begin_wait()
    try:
        while (done := helm.done()) is None:
            session.clock.sleep(0.2)
            if session.clock.elapsed() - looked < _LOOK_EVERY_S:
                continue
            watch.look()
            looked = session.clock.elapsed()
            if watch.trouble:
                return None
            session.progress.waiting(f"Waiting for {what}: {watch.progress or seen}")
        return done
    finally:
        helm.stop()
        session.progress.clear()


def wait_until_gone(session: Session, left: Callable[[], list[str]]) -> None:
    """Wait until nothing is left. Raises EndedError when the time is over."""
    began = session.clock.elapsed()
    session.progress.begin_wait()
    while found := left():
        if session.clock.elapsed() - began >= session.options.timeout_s:
            raise EndedError(
                f"{', '.join(found)} in namespace {session.namespace}: not gone after {session.options.timeout_s}s;"
                " kubectl describe shows what holds it, then run cleanup.sh again"
            )
        session.progress.waiting(f"Waiting until these are gone: {', '.join(found)}")
        session.clock.sleep(1)
    session.progress.clear()


def lasting(session: Session, left: Callable[[], list[str]]) -> list[str]:
    """Return what is left after a while; what belonged to Kafka disappears by itself."""
    began = session.clock.elapsed()
    while (found := left()) and session.clock.elapsed() - began < _DISAPPEARANCE_TIMEOUT_S:
        session.clock.sleep(2)
    return found
