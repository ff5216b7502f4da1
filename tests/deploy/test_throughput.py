"""setup.sh --throughput-test, on a Kubernetes API whose Deployments and Jobs have the pods that they ask for."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from clickstream_deploy.errors import ApiError
from clickstream_deploy.load import NAME
from clickstream_deploy.measurements import Reading, Step, lag_of, parse
from clickstream_deploy.throughput import NOTE, PAUSED
from kit.fake_kubernetes import FakeApi, FakeCluster, Manifest, manifest, pod

PROCESSOR, PRODUCER = "clickstream-streams-processor", "clickstream-producer"
TEST = ("--throughput-test", "20000", "--duration", "30s", "--replicas", "1,3")
Change = Callable[[FakeApi], object]


class LiveApi(FakeApi):
    """`now` is the time. All of 20,000 events per second is sent, and half of it counted."""

    now: Callable[[], float]

    def request(self, method: str, path: str, **rest: Any) -> Any:
        found = re.search(r"/pods/([^:]*):8080/proxy/metrics$", path)
        answer = self._metrics(found[1]) if found and not self.errors else super().request(method, path, **rest)
        if method != "GET":
            self.follow()
        return answer

    def follow(self) -> None:
        """Make and remove pods."""
        wanted = {}
        for each in [*self.of("Deployment").values(), *self.of("Job").values()]:
            labels = each["spec"]["template"]["metadata"]["labels"]
            for number in range(each["spec"].get("replicas", each["spec"].get("parallelism"))):
                name = f"{each['metadata']['name']}-{number}"
                wanted[name] = pod(name, ready=True, labels={**labels, "pod-template-hash": "abc"})
        self.objects = {key: each for key, each in self.objects.items() if each["kind"] != "Pod" or key[3] in wanted}
        self.add(*(each for name, each in wanted.items() if name not in self.of("Pod")))

    def _metrics(self, name: str) -> str:
        metric, per_second = "clickstream_producer_events_acknowledged_total", 20_000 / 3
        if not name.startswith(NAME):
            metric = "clickstream_streams_events_total"
            per_second = 10_000 / self.of("Deployment")[PROCESSOR]["spec"]["replicas"]
        return f"# HELP x\n{metric} {self.now() * per_second}\nprocess_resident_memory_bytes 1.048576e+08\n"


def deployment(name: str, replicas: int, **env: str) -> Manifest:
    labels = {"app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "clickstream"}
    variables = [{"name": each, "value": value} for each, value in {"EVENTS_TOPIC": "clicks", **env}.items()]
    container = {"name": "app", "image": "localhost/app:1", "env": variables, "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return manifest("Deployment", name, "apps/v1", labels=labels, spec=spec)


@pytest.fixture
def running(cluster: FakeCluster) -> FakeCluster:
    """With two replicas of the processor, and a producer."""
    cluster.api = api = LiveApi(**vars(cluster.api))
    api.now = cluster.clock.elapsed
    api.serve("keda.sh", "v1alpha1", "ScaledObject")
    api.add(deployment(PROCESSOR, 2), deployment(PRODUCER, 1, RATE="10", SEED="7", EVENTS_TOPIC="others"))
    api.follow()
    return cluster


def assert_as_before(cluster: FakeCluster, replicas: int = 2) -> None:
    processor = cluster.api.of("Deployment")[PROCESSOR]
    assert processor["spec"]["replicas"] == replicas
    assert NOTE not in processor["metadata"].get("annotations", {})
    assert cluster.api.of("Job") == {}


def scaled_object(**annotations: str) -> Manifest:
    found = manifest("ScaledObject", "mine", "keda.sh/v1alpha1", spec={"scaleTargetRef": {"name": PROCESSOR}})
    found["metadata"]["annotations"] = annotations
    return {**found, "status": {"conditions": [{"type": "Paused", "status": "True"}]}}


def test_each_number_of_replicas_is_measured_and_everything_is_put_back(running: FakeCluster) -> None:
    jobs: list[Manifest] = []
    running.clock.due.append((10, lambda: jobs.extend(running.api.of("Job").values())))
    finished = running.run("setup.sh", *TEST)
    assert finished.status == 0, finished.error
    assert "Sending 20,000 events/s to topic clicks for 30s at each number of replicas (1, 3)" in finished.output
    assert "from 3 pods of localhost/app:1; the windows of that time will hold these test events" in finished.output
    rows = [line.split() for line in finished.output.splitlines() if "MiB" in line]
    assert [row[:4] for row in rows if row[0].isdigit()] == [[n, "20,000", "10,000", "0"] for n in "13"]
    assert [row[-4] for row in rows[4:]] == [f"{name}-{number}" for name in (PROCESSOR, NAME) for number in range(3)]
    assert "1 replica: the processor did not keep up" in finished.output
    assert "3 replicas: no window ended" in finished.output
    scaled = re.findall(r"patch Deployment/\S+ .*\"replicas\": (\d)}", "\n".join(running.happened))
    assert scaled == ["1", "3", "2"]
    assert_as_before(running)
    template = jobs[0]["spec"]["template"]
    settings = {each["name"]: each["value"] for each in template["spec"]["containers"][0]["env"]}
    assert {"EVENTS_TOPIC": "clicks", "KIND": "events", "RATE": "6666.666667"}.items() <= settings.items()
    assert "SEED" not in settings
    assert (jobs[0]["spec"]["parallelism"], template["spec"]["containers"][0]["image"]) == (3, "localhost/app:1")
    assert running.installed() == []


@pytest.mark.parametrize("after_s", [1, 20, 32, 50])
def test_ctrl_c_puts_everything_back_and_shows_what_was_measured(running: FakeCluster, after_s: float) -> None:
    running.press_ctrl_c(after_s)
    finished = running.run("setup.sh", *TEST)
    assert finished.status == 130
    assert ("replicas  sent/s" in finished.output) == (after_s > 30)
    assert_as_before(running)


def test_a_failed_step_puts_everything_back_once_the_api_answers_again(running: FakeCluster) -> None:
    running.clock.due += [
        (10, lambda: running.api.errors.update({"": ApiError(0, "connection refused")})),
        (40, running.api.errors.clear),
    ]
    finished = running.run("setup.sh", *TEST)
    assert (finished.status, "a request failed after" in finished.error) == (1, True)
    assert_as_before(running)


def test_what_a_killed_test_left_is_put_back_by_the_next_setup(running: FakeCluster) -> None:
    processor = running.api.of("Deployment")[PROCESSOR]
    note = json.dumps({"replicas": 5, "scaler": "mine", "paused": None})
    processor["metadata"]["annotations"] = {NOTE: note}
    running.api.add(scaled_object(**{PAUSED: "true"}), {**deployment(NAME, 1), "kind": "Job", "apiVersion": "batch/v1"})
    finished = running.run("setup.sh")
    assert "Put back as before the throughput test: 5 replicas, no Job, ScaledObject mine goes on" in finished.output
    assert_as_before(running, 5)
    assert running.api.of("ScaledObject")["mine"]["metadata"]["annotations"] == {}


def test_keda_is_paused_and_goes_on(running: FakeCluster) -> None:
    running.api.add(scaled_object(**{PAUSED: "false"}))
    finished = running.run("setup.sh", *TEST)
    assert finished.status == 0, finished.error
    assert json.dumps({"metadata": {"annotations": {PAUSED: "true"}}}) in running.matching("ScaledObject")[0]
    assert running.api.of("ScaledObject")["mine"]["metadata"]["annotations"] == {PAUSED: "false"}


HPA = manifest("HorizontalPodAutoscaler", "mine", "autoscaling/v2", spec={"scaleTargetRef": {"name": PROCESSOR}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda api: api.objects.clear(),
            f"there is no Deployment {PROCESSOR} in namespace kafka: ./setup.sh installs",
        ),
        (lambda api: api.add(manifest("Deployment", PROCESSOR, "apps/v1")), "is not Clickstream's: it lacks the label"),
        (lambda api: api.add(pod(f"{PROCESSOR}-1")), "is not Ready: 1 of 2 pods are"),
        (lambda api: api.add(HPA), "HorizontalPodAutoscaler mine sets the replicas of"),
        (lambda api: api.add(scaled_object(**{f"{PAUSED}-replicas": "4"})), f"remove its annotation {PAUSED}-replicas"),
        (lambda api: api.errors.update(proxy=ApiError(503, "no route")), "be read through the API server (no route)"),
        (lambda api: api.denied.add("get pods/proxy"), "to test the throughput you need rights that you do not have"),
    ],
)
def test_what_can_not_be_measured_is_left_alone(running: FakeCluster, change: Change, said: str) -> None:
    change(running.api)
    finished = running.run("setup.sh", *TEST)
    assert (finished.status, said in finished.error) == (1, True), finished.error
    assert running.happened == []


def test_a_dry_run_says_what_would_be_sent(running: FakeCluster) -> None:
    finished = running.run("setup.sh", *TEST, "--dry-run")
    assert "Would send 20,000 events/s" in finished.output
    assert (finished.status, running.happened) == (0, [])


def test_a_restarted_pod_is_named_and_its_count_goes_on() -> None:
    def reading(at_s: float, counted: float, started: float) -> Reading:
        text = f'clickstream_streams_events_total{{partition="0"}} {counted}\nprocess_start_time_seconds {started}\n'
        return Reading(at_s, {"a": parse(f"{text}clickstream_streams_window_latency_seconds_sum {at_s}\n")})

    step = Step(1, 90, [reading(0, 100, 1), reading(5, 200, 1), reading(10, 50, 2)])
    assert step.counted == 15
    ended, not_reached, _ = step.notes()
    assert ended == "1 replica: a ended or was restarted"
    assert not_reached.startswith("1 replica: the rate was not reached (0 of 90 events/s)")


def test_a_partition_that_two_pods_name_counts_once() -> None:
    texts = ('lag_records{partition="0"} 7\nlag_records{partition="1"} 1', 'lag_records{partition="0"} 4')
    assert lag_of(parse(re.sub("^", "clickstream_streams_", each, flags=re.MULTILINE)) for each in texts) == 8
