"""setup.sh --throughput-test: what the installed processor does with a rate of events, at several numbers of replicas.

A note on the processor's Deployment says how everything was. It is written first, and what it says is put back: at the
end, after a failure or Ctrl+C, and by the next run of setup.sh if this one was killed.
"""

import json
from collections.abc import Callable
from contextlib import suppress

from clickstream_deploy.apps import PROCESSOR, PRODUCER
from clickstream_deploy.cluster import side_by_side
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import events, joined, pods
from clickstream_deploy.kinds import DEPLOYMENT, JOB, POD, Kind
from clickstream_deploy.load import NAME, SELECTOR, load_job, pod_count
from clickstream_deploy.measurements import Metrics, Reading, Step, in_words, lag_of, parse, table
from clickstream_deploy.objects import PART, Manifest, at, condition, is_ready, label, name_of
from clickstream_deploy.pods import APP, Watch
from clickstream_deploy.program import Program
from clickstream_deploy.session import Session

SCALED_OBJECT = Kind("ScaledObject", "keda.sh", "v1alpha1")
AUTOSCALER = Kind("HorizontalPodAutoscaler", "autoscaling", "v2")
PAUSED = "autoscaling.keda.sh/paused"
NOTE = "clickstream/before-throughput-test"

_CONTAINER = ("spec", "template", "spec", "containers", 0)
_LOAD_TIMEOUT_S = 120
_PAUSE_TIMEOUT_S = 30
_PUT_BACK_TIMEOUT_S = 60
_READ_EVERY_S = 5
_LOOK_EVERY_S = 2
_SMALL_LAG = 1000


class ThroughputTest(Component):
    """One test. Raises EndedError where the processor or the producer is not installed."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._processor, self._producer = self._deployment(PROCESSOR), self._deployment(PRODUCER)
        self.replicas = int(at(self._processor, "spec", "replicas") or 0)
        labels = at(self._processor, "spec", "selector", "matchLabels")
        self._selector = ",".join(f"{name}={value}" for name, value in labels.items())
        settings = {each["name"]: each.get("value") for each in at(self._processor, *_CONTAINER, "env") or []}
        self._topic = str(settings.get("EVENTS_TOPIC") or "clickstream-events")
        self._port = at(self._processor, *_CONTAINER, "ports", 0, "containerPort")
        self._sending = pod_count(self.options.throughput_test)
        self._scaler: Manifest | None = None

    def check(self) -> None:
        """See Component."""
        self._find_autoscaler()
        changed = (DEPLOYMENT, SCALED_OBJECT) if self._scaler else (DEPLOYMENT,)
        rights = ["list pods", "get pods/proxy", f"create {JOB}", f"delete {JOB}"]
        self.cluster.check_rights("test the throughput", [*rights, *(f"patch {each}" for each in changed)])
        ready = _ready(self._pods())
        if not ready or len(ready) != self.replicas:
            why = f"{PROCESSOR} is not Ready: {len(ready)} of {self.replicas} pods are"
            raise EndedError(why, explanation=self._explanation())
        try:
            self._metrics(ready[0])
        except ApiError as error:
            raise EndedError(
                f"the metrics of {ready[0]} can't be read through the API server ({error}): it must reach port"
                f" {self._port} of the pods, past their NetworkPolicy and the nodes' firewall"
            ) from error

    def install(self) -> None:
        """Measure, print the table of the steps that were completed, and put everything back."""
        options, steps = self.options, list[Step]()
        would, will = ("Would send", "would") if options.dry_run else ("Sending", "will")
        each, image = ", ".join(map(str, options.replicas)), at(self._producer, *_CONTAINER, "image")
        self.say(
            f"{would} {options.throughput_test:,.15g} events/s to topic {self._topic} for {options.duration_s}s at each"
            f" number of replicas ({each}), from {self._sending} pod{'' if self._sending == 1 else 's'} of {image}; the"
            f" windows of that time {will} hold these test events"
        )
        if options.dry_run:
            return
        try:
            self._take_over()
            for replicas in options.replicas:
                self._step(replicas, steps)
        finally:
            try:
                put_back(self.session)
            except KeyboardInterrupt:
                put_back(self.session)  # undisturbed by a second Ctrl+C
                raise
            finally:
                if steps:
                    self.session.progress.print(f"\n{table(steps)}\n")
        self.wait_for_processor(self.replicas)

    def wait_for_processor(self, replicas: int) -> None:
        """Until so many pods are Ready, and no others are there."""

        def missing() -> str:
            found = self._pods()
            ready = len(_ready(found))
            if ready == len(found) == replicas:
                return ""
            return f"{ready} of {replicas} are Ready" if ready < replicas else "others are still going"

        watch = Watch(self.session, APP, self._selector)
        self._wait("the processor's pods", missing, self.options.timeout_s, watch)

    def _deployment(self, name: str) -> Manifest:
        found, place = self.cluster.get(DEPLOYMENT, name), f"in namespace {self.namespace}"
        if found is None:
            raise EndedError(
                f"there is no Deployment {name} {place}: ./setup.sh installs it; --namespace names another"
            )
        if label(found, PART) != "clickstream":
            raise EndedError(f"Deployment {name} {place} is not Clickstream's: it lacks the label {PART}=clickstream")
        return found

    def _find_autoscaler(self) -> None:
        """KEDA is paused; raises EndedError for what can't be."""
        for each in self.cluster.seen_objects(SCALED_OBJECT) + self.cluster.seen_objects(AUTOSCALER):
            held = f"{PAUSED}-replicas" in (at(each, "metadata", "annotations") or {})
            ours = at(each, "spec", "scaleTargetRef", "name") == PROCESSOR
            if ours and each["kind"] == SCALED_OBJECT.name and not held:
                self._scaler = each
            elif ours and at(each, "metadata", "ownerReferences", 0, "kind") != SCALED_OBJECT.name:
                what = f"its annotation {PAUSED}-replicas" if held else "it"
                raise EndedError(
                    f"{each['kind']} {name_of(each)} sets the replicas of {PROCESSOR}, and the test can't pause it:"
                    f" remove {what} first"
                )

    def _take_over(self) -> None:
        note: dict[str, object] = {"replicas": self.replicas}
        name = name_of(self._scaler) if self._scaler else ""
        if name:
            note |= {"scaler": name, "paused": at(self._scaler, "metadata", "annotations", PAUSED)}
        self.cluster.patch(DEPLOYMENT, PROCESSOR, _annotation(NOTE, json.dumps(note)))
        if name:
            self.cluster.patch(SCALED_OBJECT, name, _annotation(PAUSED, "true"))

            def running() -> str:
                paused = condition(self.cluster.get(SCALED_OBJECT, name) or {}, "Paused").get("status")
                return "" if paused == "True" else "KEDA does not say that it is"

            self._wait(f"ScaledObject {name} to be paused", running, _PAUSE_TIMEOUT_S)
            self.say(f"ScaledObject {name} is paused until the end")

    def _step(self, replicas: int, steps: list[Step]) -> None:
        rate, seconds = self.options.throughput_test, self.options.duration_s
        self.cluster.patch(DEPLOYMENT, PROCESSOR, {"spec": {"replicas": replicas}})
        self.wait_for_processor(replicas)
        self._wait("the processor to catch up", self._backlog, self.options.timeout_s)
        self.cluster.create(load_job(self._producer, self._topic, rate, seconds + _LOAD_TIMEOUT_S))
        self._wait("the sending pods", self._unready, _LOAD_TIMEOUT_S, _LoadWatch(self.session, APP, SELECTOR))
        self.say(f"{in_words(replicas)}: Ready, and the events come")
        steps.append(Step(replicas, rate, self._readings(in_words(replicas))))
        self.cluster.delete(JOB, NAME)
        self._wait("the sending pods to go", lambda: ", ".join(self.cluster.names([POD], SELECTOR)), _LOAD_TIMEOUT_S)
        self.say(steps[-1].summary())

    def _backlog(self) -> str:
        """What was sent before a step must not be counted in it."""
        lag = lag_of(side_by_side(self._metrics, _ready(self._pods())))
        return f"lag {lag:,}" if lag > max(_SMALL_LAG, self.options.throughput_test) else ""

    def _unready(self) -> str:
        found = self.cluster.objects(POD, SELECTOR)
        if any(at(each, "status", "phase") == "Failed" for each in found):
            raise EndedError("a sending pod failed: see above", explanation=self._explanation())
        ready = len(_ready(found))
        return "" if ready == self._sending else f"{ready} of {self._sending} are Ready"

    def _readings(self, what: str) -> list[Reading]:
        progress, seconds, readings = self.session.progress, self.options.duration_s, list[Reading]()
        for waited in progress.looks(seconds, _READ_EVERY_S):
            names = [name_of(each) for each in self._pods() + self.cluster.objects(POD, SELECTOR)]
            at_s = self.session.clock.elapsed()
            found = zip(names, side_by_side(self._metrics_or_none, names), strict=True)
            readings.append(Reading(at_s, {name: metrics for name, metrics in found if metrics}))
            lag = lag_of(readings[-1].pods.values())
            progress.waiting(f"Measuring {what}: {min(waited, seconds):.0f}s of {seconds}s, lag {lag:,}")
        return readings

    def _pods(self) -> list[Manifest]:
        """Return the processor's pods, without those of helm test."""
        return [each for each in self.cluster.objects(POD, self._selector) if label(each, "pod-template-hash")]

    def _metrics(self, pod: str) -> Metrics:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{self._port}/proxy/metrics"
        return parse(self.cluster.api.request("GET", path, timeout_s=10))

    def _metrics_or_none(self, pod: str) -> Metrics:
        with suppress(ApiError):
            return self._metrics(pod)
        return {}

    def _wait(self, what: str, missing: Callable[[], str], limit_s: float, watch: Watch | None = None) -> None:
        """Until nothing is missing. Raises EndedError when pods are in trouble, or the time is over."""
        why = ""
        for _ in self.session.progress.looks(limit_s, _LOOK_EVERY_S):
            why = missing()
            if not why:
                return
            if watch:
                watch.look()
                if watch.trouble:
                    raise EndedError(f"{what} do not come up: see above", explanation=watch.explanation())
            seen = f" ({watch.progress})" if watch and watch.progress else ""
            self.session.progress.waiting(f"Waiting for {what}: {why}{seen}")
        explanation = self._explanation() if watch else ""
        raise EndedError(f"waited {limit_s:.0f}s for {what}: {why}", explanation=explanation)

    def _explanation(self) -> str:
        unready = [pods(self.session, self.namespace, selector) for selector in (self._selector, SELECTOR)]
        return joined(*unready, events(self.session, "Job", NAME))


class _LoadWatch(Watch):
    """Of a Job's pods, which have no revisions."""

    def _newest_pods(self) -> tuple[list[Manifest], str]:
        return self._cluster.seen_objects(POD, SELECTOR), ""


def recover(session: Session) -> bool:
    """Put back what a test left that was killed; return whether there was one, as far as this user may see."""
    found = at(session.cluster.seen(DEPLOYMENT, PROCESSOR), "metadata", "annotations", NOTE)
    if found:
        put_back(session)
    return bool(found)


def put_back(session: Session) -> None:
    """Undo what a test has noted. Raises EndedError when that fails for a minute."""
    why = ""
    for _ in session.progress.looks(_PUT_BACK_TIMEOUT_S, _LOOK_EVERY_S):
        try:
            return _undo(session)
        except ApiError as error:
            why = str(error)
    again = f"the next ./setup.sh{session.options.place()} does that first"
    raise EndedError(f"not everything could be put back ({why}): {again}")


def _undo(session: Session) -> None:
    cluster = session.cluster
    text = at(cluster.get(DEPLOYMENT, PROCESSOR), "metadata", "annotations", NOTE)
    if not text:
        return
    note = json.loads(text)
    cluster.delete(JOB, NAME)
    if "scaler" in note and cluster.get(SCALED_OBJECT, note["scaler"]):
        cluster.patch(SCALED_OBJECT, note["scaler"], _annotation(PAUSED, note["paused"]))
    # The note last: until then it says what is still to be done.
    cluster.patch(DEPLOYMENT, PROCESSOR, {"spec": {"replicas": note["replicas"]}, **_annotation(NOTE, None)})
    goes_on = f", ScaledObject {note['scaler']} goes on" if "scaler" in note else ""
    session.progress.say(f"Put back as before the throughput test: {in_words(note['replicas'])}, no Job{goes_on}")


def _ready(found: list[Manifest]) -> list[str]:
    """Return the names of those that are Ready and stay."""
    return [name_of(each) for each in found if is_ready(each) and not at(each, "metadata", "deletionTimestamp")]


def _annotation(name: str, value: str | None) -> Manifest:
    return {"metadata": {"annotations": {name: value}}}


def measure(session: Session) -> None:
    """The steps of the test."""
    scaled = not session.options.dry_run and recover(session)
    test = ThroughputTest(session)
    if scaled:
        test.wait_for_processor(test.replicas)
    test.check()
    test.install()
    session.progress.say("Nothing was changed (--dry-run)" if session.options.dry_run else "Done, and all is as before")


THROUGHPUT_TEST = Program(
    name="setup.sh",
    first="Checking the tools, the cluster, the processor and your rights",
    steps=measure,
    interrupted=". What the test had changed is as before.",
    failed="What the test had changed is as before.",
)
