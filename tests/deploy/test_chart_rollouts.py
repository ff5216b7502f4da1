"""How pods begin, end and replace one another."""

import pytest

from kit.helm import Charts
from kit.rendered import APPS, PORTS, Object, container, environment, of_kind, only, rendered


@pytest.mark.parametrize("app", APPS)
def test_the_probes_ask_what_the_app_serves(charts: Charts, app: str) -> None:
    found = container(charts, app)
    assert {port["name"]: port["containerPort"] for port in found["ports"]} == PORTS[app]
    given = environment(found)
    assert {f"{name.upper()}_PORT": str(number) for name, number in PORTS[app].items()}.items() <= given.items()
    port = next(iter(PORTS[app]))
    paths = {name: found[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {
        "startupProbe": {"path": "/healthz", "port": port},
        "livenessProbe": {"path": "/healthz", "port": port},
        "readinessProbe": {"path": "/readyz", "port": port},
    }


@pytest.mark.parametrize("app", APPS)
def test_there_is_time_to_end(charts: Charts, app: str) -> None:
    pod = only(rendered(charts, app), "Deployment")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause + 10 < pod["terminationGracePeriodSeconds"] <= 30


def test_a_load_balancer_that_is_slow_to_notice_can_be_given_more_time(charts: Charts) -> None:
    pod = only(rendered(charts, "collector", "--set", "preStopSeconds=30"), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == 30
    assert pod["terminationGracePeriodSeconds"] > 30 + 10


@pytest.mark.parametrize("app", APPS)
def test_helm_leaves_the_number_of_replicas_alone_unless_it_is_given(charts: Charts, app: str) -> None:
    assert "replicas" not in only(rendered(charts, app), "Deployment")["spec"]
    for number in (0, 3):
        deployment = only(rendered(charts, app, "--set", f"replicas={number}"), "Deployment")
        assert deployment["spec"]["replicas"] == number


@pytest.mark.parametrize("app", ["producer", "consumer", "collector", "archive", "scenarios"])
def test_a_new_pod_is_ready_before_an_old_one_goes(charts: Charts, app: str) -> None:
    strategy = only(rendered(charts, app), "Deployment")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
RECREATING = {"type": "Recreate"}


def test_the_processors_strategy_is_the_stated_one(charts: Charts) -> None:
    for options, expected in (((), RECREATING), (("--set", "strategy=RollingUpdate"), ROLLING)):
        assert only(rendered(charts, "streams", *options), "Deployment")["spec"]["strategy"] == expected


def test_spark_may_take_two_minutes_to_start(charts: Charts) -> None:
    liveness = {app: container(charts, app)["livenessProbe"] for app in ("statistics", "scenarios")}
    assert liveness["scenarios"]["failureThreshold"] == 3
    assert liveness["statistics"]["failureThreshold"] * liveness["statistics"]["periodSeconds"] >= 120


def test_a_driver_ends_before_the_next_one_begins(charts: Charts) -> None:
    assert only(rendered(charts, "statistics"), "Deployment")["spec"]["strategy"] == RECREATING


def test_replicas_read_the_secret_of_the_visitors_from_a_file(charts: Charts) -> None:
    for options, name, key in (
        ((), "clickstream-collector-visitors", "secret"),
        (("--set", "visitorSecret.name=mine,visitorSecret.key=salt"), "mine", "salt"),
    ):
        objects = rendered(charts, "collector", *options)
        assert of_kind(objects, "Secret") == [], "a random one would be another at each rendering"
        pod = only(objects, "Deployment")["spec"]["template"]["spec"]
        (volume,) = pod["volumes"]
        assert volume["secret"]["secretName"] == name
        (item,) = volume["secret"]["items"]
        (mount,) = pod["containers"][0]["volumeMounts"]
        assert item["key"] == key
        file = environment(pod["containers"][0])["VISITOR_SECRET_FILE"]
        assert file == f"{mount['mountPath']}/{item['path']}"


def test_a_load_of_limited_duration_runs_once(charts: Charts) -> None:
    def job(*options: str) -> Object:
        objects = rendered(charts, "producer", "--set", "duration=5m", *options)
        assert not of_kind(objects, "Deployment")
        assert not of_kind(objects, "Pod"), "there is nothing to test after it has ended"
        return only(objects, "Job")

    first = job()
    assert first["spec"]["backoffLimit"] == 0
    assert first["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert (first["spec"]["completions"], first["spec"]["parallelism"]) == (1, 1)
    assert environment(first["spec"]["template"]["spec"]["containers"][0])["DURATION"] == "5m"
    assert job("--set", "podMonitor.enabled=true")["metadata"]["name"] == first["metadata"]["name"]
    for change in ("rate=11", "replicas=2", "seed=7"):
        assert job("--set", change)["metadata"]["name"] != first["metadata"]["name"]
