"""KEDA, Prometheus and the Gateway API, and what is there without them."""

from kit.helm import Charts
from kit.rendered import APPS, environment, of_kind, only, pod_specs, rendered, variant_objects


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


def test_prometheus_scrapes_every_pod(charts: Charts) -> None:
    monitor = only(rendered(charts, "producer", "--set", "podMonitor.enabled=true"), "PodMonitor")["spec"]
    assert monitor["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]


def test_the_page_can_be_reached_through_a_gateway(charts: Charts) -> None:
    objects = variant_objects(charts, "clickstream-consumer/ci/04-http-route-values.yaml")
    route = only(objects, "HTTPRoute")["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert route["hostnames"] == ["clickstream.example.com"]
    (backend,) = route["rules"][0]["backendRefs"]
    service = only(objects, "Service")
    assert backend == {"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}


def test_nothing_optional_is_there_by_default(charts: Charts) -> None:
    always = {"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "Pod"}
    kinds = {app: {each["kind"] for each in rendered(charts, app)} for app in APPS}
    assert kinds == {"producer": always, "streams": always | {"PodDisruptionBudget"}, "consumer": always}


def test_a_service_account_of_the_platform_can_be_used(charts: Charts) -> None:
    objects = rendered(charts, "producer", "--set", "serviceAccount.create=false")
    assert of_kind(objects, "ServiceAccount") == []
    assert {pod["serviceAccountName"] for pod in pod_specs(objects)} == {"default"}
