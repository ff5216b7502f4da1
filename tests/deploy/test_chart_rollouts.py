"""How pods begin, end and replace one another."""

import base64
import re

import pytest

from kit.helm import Charts
from kit.kube_api import kube_api
from kit.rendered import APPS, PORTS, Object, container, environment, live_processor, of_kind, only, rendered


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


@pytest.mark.parametrize("app", ["producer", "consumer", "collector"])
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


def secret(name: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "kafka", "name": name}, "data": encoded}


def test_a_renewed_certificate_replaces_the_pods_at_the_next_upgrade(charts: Charts) -> None:
    def annotations(authentication: str, **secrets: str) -> dict[str, str]:
        live = [
            secret(name.replace("_", "-"), **dict.fromkeys(("ca.crt", "user.crt", "password"), value))
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


def test_the_secret_of_the_visitors_is_made_once_and_kept(charts: Charts) -> None:
    def made(*live: Object) -> Object:
        with kube_api(live) as address:
            asked = ("--dry-run=server", "--kube-apiserver", address)
            return only(charts.objects("clickstream-collector", *asked), "Secret")

    first = made()
    assert first["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert re.fullmatch("[A-Za-z0-9]{64}", base64.b64decode(first["data"]["secret"]).decode())
    assert made()["data"] != first["data"], "it is made by chance"
    kept = made(secret("clickstream-collector-visitors", secret="as it was"))
    assert base64.b64decode(kept["data"]["secret"]) == b"as it was"


def test_replicas_read_the_secret_of_the_visitors_from_a_file(charts: Charts) -> None:
    for options, name, key in (
        ((), "clickstream-collector-visitors", "secret"),
        (("--set", "visitorSecret.name=mine,visitorSecret.key=salt"), "mine", "salt"),
    ):
        objects = rendered(charts, "collector", *options)
        assert len(of_kind(objects, "Secret")) == (name != "mine"), "no second one beside a secret that is there"
        pod = only(objects, "Deployment")["spec"]["template"]["spec"]
        (volume,) = pod["volumes"]
        assert volume["secret"]["secretName"] == name
        (item,) = volume["secret"]["items"]
        (mount,) = pod["containers"][0]["volumeMounts"]
        assert item["key"] == key
        file = environment(pod["containers"][0])["VISITOR_SECRET_FILE"]
        assert file == f"{mount['mountPath']}/{item['path']}"


def test_another_secret_of_the_visitors_replaces_the_pods_at_the_next_upgrade(charts: Charts) -> None:
    def annotations(live: Object, *options: str) -> dict[str, str]:
        with kube_api([live]) as address:
            asked = ("--dry-run=server", "--kube-apiserver", address, *options)
            template = only(charts.objects("clickstream-collector", *asked), "Deployment")["spec"]["template"]
        return dict(template["metadata"].get("annotations", {}))

    mine = ("--set", "visitorSecret.name=mine")
    first = annotations(secret("mine", secret="1"), *mine)
    assert first.keys() == {"checksum/visitor-secret"}
    assert annotations(secret("mine", secret="2"), *mine) != first
    assert annotations(secret("clickstream-collector-visitors", secret="1")) == {}, "the chart's own never changes"


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
