"""How pods begin, end and replace one another."""

import base64

import pytest

from kit.helm import Charts
from kit.kube_api import kube_api
from kit.rendered import APPS, Object, container, environment, live_processor, of_kind, only, rendered


@pytest.mark.parametrize("app", APPS)
def test_the_probes_ask_what_the_app_serves(charts: Charts, app: str) -> None:
    found = container(charts, app)
    assert [(port["name"], port["containerPort"]) for port in found["ports"]] == [("http", 8080)]
    paths = {name: found[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


@pytest.mark.parametrize("app", APPS)
def test_there_is_time_to_end(charts: Charts, app: str) -> None:
    pod = only(rendered(charts, app), "Deployment")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause + 10 < pod["terminationGracePeriodSeconds"] <= 30


@pytest.mark.parametrize("app", APPS)
def test_helm_leaves_the_number_of_replicas_alone_unless_it_is_given(charts: Charts, app: str) -> None:
    assert "replicas" not in only(rendered(charts, app), "Deployment")["spec"]
    for number in (0, 3):
        deployment = only(rendered(charts, app, "--set", f"replicas={number}"), "Deployment")
        assert deployment["spec"]["replicas"] == number


@pytest.mark.parametrize("app", ["producer", "consumer"])
def test_a_new_pod_is_ready_before_an_old_one_goes(charts: Charts, app: str) -> None:
    strategy = only(rendered(charts, app), "Deployment")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
RECREATING = {"type": "Recreate"}


@pytest.mark.parametrize(
    ("live", "options", "expected"),
    [
        ([live_processor()], (), ROLLING),
        ([live_processor(ALLOWED_LATENESS="2m")], (), ROLLING),
        ([live_processor()], ("--set", "outOfOrderness=0s,image.tag=v2,log.level=DEBUG"), ROLLING),
        ([live_processor()], ("--set", "windowSize=1m"), RECREATING),
        ([live_processor()], ("--set", "windowTime=arrival"), RECREATING),
        ([live_processor()], ("--set", "maxClockSkew=0s"), RECREATING),
        ([live_processor(WINDOW_SIZE="1m")], (), RECREATING),
        ([live_processor(WINDOW_SIZE="")], (), RECREATING),
        ([live_processor()], ("--set", "windowSize=1m,strategy=RollingUpdate"), ROLLING),
        ([live_processor()], ("--set", "strategy=Recreate"), RECREATING),
        ([], (), RECREATING),
    ],
)
def test_what_runs_decides_whether_the_processor_rolls(
    charts: Charts, live: list[Object], options: tuple[str, ...], expected: Object
) -> None:
    with kube_api(live) as address:
        asked = ("--dry-run=server", "--kube-apiserver", address, *options)
        assert only(rendered(charts, "streams", *asked), "Deployment")["spec"]["strategy"] == expected


def test_without_a_cluster_to_ask_the_processor_recreates(charts: Charts) -> None:
    assert only(rendered(charts, "streams"), "Deployment")["spec"]["strategy"] == RECREATING
    rolling = only(rendered(charts, "streams", "--set", "strategy=RollingUpdate"), "Deployment")
    assert rolling["spec"]["strategy"] == ROLLING


def test_a_renewed_certificate_replaces_the_pods_at_the_next_upgrade(charts: Charts) -> None:
    def annotations(authentication: str, **secrets: str) -> dict[str, str]:
        live = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"namespace": "kafka", "name": name.replace("_", "-")},
                "data": {key: base64.b64encode(value.encode()).decode() for key in ("ca.crt", "user.crt", "password")},
            }
            for name, value in secrets.items()
        ]
        options = ("--set", f"kafka.tls.enabled=true,kafka.authentication.type={authentication},podAnnotations.a=b")
        with kube_api(live) as address:
            asked = ("--dry-run=server", "--kube-apiserver", address, *options)
            deployment = only(rendered(charts, "consumer", *asked), "Deployment")
        return dict(deployment["spec"]["template"]["metadata"]["annotations"])

    scram = annotations("scram-sha-512", data_on_eks_cluster_ca_cert="1", clickstream_consumer="1")
    assert scram.keys() == {"checksum/kafka-ca", "a"}
    rotated = annotations("scram-sha-512", data_on_eks_cluster_ca_cert="1", clickstream_consumer="2")
    assert rotated == scram, "a new password is read without a restart"
    renewed = annotations("scram-sha-512", data_on_eks_cluster_ca_cert="2", clickstream_consumer="1")
    assert renewed["checksum/kafka-ca"] != scram["checksum/kafka-ca"]
    certificate = annotations("tls", data_on_eks_cluster_ca_cert="1", clickstream_consumer="1")
    assert certificate.keys() == {"checksum/kafka-ca", "checksum/kafka-user", "a"}
    other = annotations("tls", data_on_eks_cluster_ca_cert="1", clickstream_consumer="2")
    assert other["checksum/kafka-user"] != certificate["checksum/kafka-user"]
    assert annotations("scram-sha-512") == {"a": "b"}, "there is nothing to sum up yet"


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
