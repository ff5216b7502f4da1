"""Autoscalers, Prometheus, the Gateway API and Ingress, and what is there without them."""

import pytest

from kit.helm import Charts
from kit.rendered import (
    APPS,
    PORTS,
    Object,
    container,
    environment,
    of_kind,
    only,
    pod_specs,
    rendered,
    variant_objects,
)


def test_keda_scales_by_lag_between_one_replica_and_the_partitions(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-streams/ci/04-keda-values.yaml")
    assert "replicas" not in only(objects, "Deployment")["spec"]
    scaled = only(objects, "ScaledObject")["spec"]
    assert scaled["scaleTargetRef"] == {"name": "clickstream-streams-processor"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 12)
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"] == {
        "bootstrapServers": "data-on-eks-kafka-bootstrap.kafka.svc:9093",
        "consumerGroup": "clickstream-processor",
        "topic": "clickstream-events",
        "lagThreshold": "50000",
        "offsetResetPolicy": "earliest",
        "ensureEvenDistributionOfPartitions": "true",
        "sasl": "scram_sha512",
        "tls": "enable",
    }
    assert trigger["authenticationRef"] == {"name": "clickstream-streams-processor"}
    credentials = only(objects, "TriggerAuthentication")["spec"]
    assert {each["parameter"]: (each["name"], each["key"]) for each in credentials["secretTargetRef"]} == {
        "ca": ("data-on-eks-cluster-ca-cert", "ca.crt"),
        "password": ("clickstream-streams-processor", "password"),
    }
    (username,) = credentials["env"]
    app = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert username["containerName"] == app["name"]
    assert environment(app)[username["name"]] == "clickstream-streams-processor"


def test_keda_asks_a_kafka_without_authentication_as_it_is(charts: Charts) -> None:
    servers = "kafka.bootstrapServers=one.example.com:9092\\,[fd00::1]:9092\\,bootstrap:9092"
    objects = rendered(charts, "streams", "--set", f"keda.enabled=true,{servers}")
    (trigger,) = only(objects, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["bootstrapServers"] == "one.example.com:9092,[fd00::1]:9092,bootstrap.kafka.svc:9092"
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("none", "disable")
    assert "authenticationRef" not in trigger
    assert of_kind(objects, "TriggerAuthentication") == []


def test_keda_shows_its_client_certificate(charts: Charts) -> None:
    tls = "keda.enabled=true,kafka.tls.enabled=true,kafka.authentication.type=tls"
    credentials = only(rendered(charts, "streams", "--set", tls), "TriggerAuthentication")["spec"]
    assert [each["parameter"] for each in credentials["secretTargetRef"]] == ["ca", "cert", "key"]
    assert "env" not in credentials


def test_the_collector_scales_by_what_its_replicas_use_of_a_core(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-collector/ci/06-autoscaling-values.yaml")
    assert "replicas" not in only(objects, "Deployment")["spec"], "they would fight about it"
    scaler = only(objects, "HorizontalPodAutoscaler")["spec"]
    target = only(objects, "Deployment")
    assert scaler["scaleTargetRef"] == {
        "apiVersion": target["apiVersion"],
        "kind": target["kind"],
        "name": target["metadata"]["name"],
    }
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 20)
    (metric,) = scaler["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "500m"}}


@pytest.mark.parametrize("app", APPS)
def test_prometheus_scrapes_every_pod(charts: Charts, app: str) -> None:
    monitor = only(rendered(charts, app, "--set", "podMonitor.enabled=true"), "PodMonitor")["spec"]
    port = next(iter(PORTS[app]))
    assert monitor["podMetricsEndpoints"] == [{"port": port, "path": "/metrics", "interval": "15s"}]


def test_the_page_can_be_reached_through_a_gateway(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-consumer/ci/04-http-route-values.yaml")
    route = only(objects, "HTTPRoute")["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert route["hostnames"] == ["clickstream.example.com"]
    (rule,) = route["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert "filters" not in rule
    (backend,) = rule["backendRefs"]
    service = only(objects, "Service")
    assert backend == {"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}


@pytest.mark.parametrize("path", ["/clickstream", "/clickstream/"])
def test_the_page_may_lie_below_a_path_that_it_knows_nothing_of(charts: Charts, path: str) -> None:
    gateway = ("--set", "httpRoute.enabled=true", "--set", "httpRoute.parentRefs[0].name=public")
    route = only(rendered(charts, "consumer", *gateway, "--set", f"httpRoute.path={path}"), "HTTPRoute")["spec"]
    to_the_slash, page = route["rules"]
    assert to_the_slash["matches"] == [{"path": {"type": "Exact", "value": "/clickstream"}}]
    redirect = to_the_slash["filters"][0]["requestRedirect"]
    assert redirect["path"] == {"type": "ReplaceFullPath", "replaceFullPath": "/clickstream/"}
    assert page["matches"] == [{"path": {"type": "PathPrefix", "value": "/clickstream/"}}]
    rewrite = page["filters"][0]["urlRewrite"]
    assert rewrite["path"] == {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), None),
        (("--set", "httpRoute.enabled=true", "--set", "httpRoute.parentRefs[0].name=public"), "private"),
        (("--set", "trustedProxies={private,203.0.113.0/24}"), "private,203.0.113.0/24"),
    ],
)
def test_behind_a_gateway_the_pages_visitors_are_told_apart(
    charts: Charts, options: tuple[str, ...], expected: str | None
) -> None:
    assert environment(container(charts, "consumer", *options)).get("TRUSTED_PROXIES") == expected


def test_browsers_reach_the_collector_through_a_gateway(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-collector/ci/04-http-route-values.yaml")
    route = only(objects, "HTTPRoute")
    assert route["metadata"]["annotations"] == {"example.com/team": "analytics"}
    assert route["spec"]["hostnames"] == ["collect.example.com"]
    (rule,) = route["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["backendRefs"] == [{"name": "clickstream-collector", "port": public_port(objects)["port"]}]


def test_browsers_reach_the_collector_through_an_ingress_on_the_sites_own_host(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-collector/ci/05-ingress-values.yaml")
    ingress = only(objects, "Ingress")
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert ingress["spec"]["ingressClassName"] == "nginx"
    (tls,) = ingress["spec"]["tls"]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == tls["hosts"]
    for rule in ingress["spec"]["rules"]:
        assert [path["path"] for path in rule["http"]["paths"]] == ["/ingest", "/pixel.gif", "/clickstream.js"]
        for path in rule["http"]["paths"]:
            service = {"name": "clickstream-collector", "port": {"name": public_port(objects)["name"]}}
            assert (path["pathType"], path["backend"]) == ("Prefix", {"service": service})


def public_port(objects: list[Object]) -> Object:
    """The Service's one port, which is the public one: health and metrics are not for everyone."""
    (port,) = only(objects, "Service")["spec"]["ports"]
    assert port["targetPort"] == "http"
    return dict(port)


def test_the_collector_spreads_over_zones_and_nodes(charts: Charts) -> None:
    objects = rendered(charts, "collector")
    template = only(objects, "Deployment")["spec"]["template"]
    zones, nodes = template["spec"]["topologySpreadConstraints"]
    assert (zones["topologyKey"], nodes["topologyKey"]) == ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    for each in (zones, nodes):
        assert each["whenUnsatisfiable"] == "ScheduleAnyway", "an uneven pod is better than none"
        assert each["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    own = "topologySpreadConstraints[0].topologyKey=rack"
    chosen = only(rendered(charts, "collector", "--set", own), "Deployment")["spec"]["template"]["spec"]
    assert chosen["topologySpreadConstraints"] == [{"topologyKey": "rack"}]


def test_nothing_optional_is_there_by_default(charts: Charts) -> None:
    always = {"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "Pod"}
    kinds = {app: {each["kind"] for each in rendered(charts, app)} for app in APPS}
    assert kinds == {
        "producer": always,
        "streams": always | {"PodDisruptionBudget"},
        "consumer": always,
        "collector": always | {"PodDisruptionBudget"},
        "archive": always | {"CronJob"},
        "scenarios": always | {"PodDisruptionBudget", "Job"},
        "statistics": always | {"ConfigMap", "PersistentVolumeClaim"},
    }


def test_a_service_account_of_the_platform_can_be_used(charts: Charts) -> None:
    objects = rendered(charts, "producer", "--set", "serviceAccount.create=false")
    assert of_kind(objects, "ServiceAccount") == []
    assert {pod["serviceAccountName"] for pod in pod_specs(objects)} == {"default"}
