"""The way from a pod to Kafka, and who else may talk to whom."""

import pytest

from clickstream_core import __version__
from kit.helm import Charts
from kit.rendered import APPS, PORTS, SOURCE, chart, environment, of_kind, only, pod_specs, rendered

SCRAM_OVER_TLS = "ci/01-scram-over-tls-values.yaml"
PLAIN: dict[str, str] = {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
CA = {"KAFKA_SSL_CAFILE": "/etc/kafka/ca/ca.crt"}
USER = {
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "clickstream-consumer",
    "KAFKA_SASL_PASSWORD_FILE": "/etc/kafka/user/password",
}
CERTIFICATE = {"KAFKA_SSL_CERTFILE": "/etc/kafka/user/user.crt", "KAFKA_SSL_KEYFILE": "/etc/kafka/user/user.key"}
CA_FILE = ("data-on-eks-cluster-ca-cert", "/etc/kafka/ca", ["ca.crt"])


@pytest.mark.parametrize(
    ("tls", "authentication", "expected", "files"),
    [
        ("false", "none", PLAIN, []),
        ("true", "none", {"KAFKA_SECURITY_PROTOCOL": "SSL"} | CA, [CA_FILE]),
        (
            "false",
            "scram-sha-512",
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"} | USER,
            [("clickstream-consumer", "/etc/kafka/user", ["password"])],
        ),
        (
            "true",
            "scram-sha-512",
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"} | CA | USER,
            [CA_FILE, ("clickstream-consumer", "/etc/kafka/user", ["password"])],
        ),
        (
            "true",
            "tls",
            {"KAFKA_SECURITY_PROTOCOL": "SSL"} | CA | CERTIFICATE,
            [CA_FILE, ("clickstream-consumer", "/etc/kafka/user", ["user.crt", "user.key"])],
        ),
    ],
)
def test_the_connection_follows_tls_and_authentication(
    charts: Charts, tls: str, authentication: str, expected: dict[str, str], files: list[tuple[str, str, list[str]]]
) -> None:
    options = ("--set", f"kafka.tls.enabled={tls},kafka.authentication.type={authentication}")
    for pod in pod_specs(rendered(charts, "consumer", *options)):
        (app,) = pod["containers"]
        given = {name: value for name, value in environment(app).items() if name.startswith("KAFKA_")}
        assert given == {"KAFKA_BOOTSTRAP_SERVERS": "data-on-eks-kafka-bootstrap:9092"} | expected
        paths = {mount["name"]: mount["mountPath"] for mount in app.get("volumeMounts", [])}
        mounted = [
            (volume["secret"]["secretName"], paths[volume["name"]], [item["key"] for item in volume["secret"]["items"]])
            for volume in pod.get("volumes", [])
        ]
        assert mounted == files


def test_the_passwords_are_in_files_only(charts: Charts) -> None:
    for app in APPS:
        for pod in pod_specs(rendered(charts, app, "--values", str(SOURCE / chart(app) / SCRAM_OVER_TLS))):
            assert "KAFKA_SASL_PASSWORD" not in environment(pod["containers"][0])
            taken = {each["name"] for each in pod["containers"][0]["env"] if "valueFrom" in each}
            key = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
            assert taken <= {*key, "DATABASE_URL", "REDIS_URL"}, "the key of S3 has no file, nor have addresses"


def test_another_secret_and_another_user_name_can_be_given(charts: Charts) -> None:
    user = "kafka.authentication.type=scram-sha-512,kafka.authentication.secret=a,kafka.authentication.username=b"
    pod = only(rendered(charts, "streams", "--set", user), "Deployment")["spec"]["template"]["spec"]
    assert pod["volumes"][0]["secret"]["secretName"] == "a"
    assert environment(pod["containers"][0])["KAFKA_SASL_USERNAME"] == "b"


def test_brokers_with_public_certificates_need_no_secret(charts: Charts) -> None:
    pod = only(rendered(charts, "producer", "--set", "kafka.tls.enabled=true,kafka.tls.caSecret="), "Deployment")[
        "spec"
    ]["template"]["spec"]
    assert "volumes" not in pod
    assert "KAFKA_SSL_CAFILE" not in environment(pod["containers"][0])


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ("image.pullPolicy=Always", f"localhost/clickstream-streams:{__version__}"),
        ("image.registry=registry.example.com/team,image.tag=v2", "registry.example.com/team/clickstream-streams:v2"),
        ("image.registry=,image.repository=streams,image.tag=v2", "streams:v2"),
        (f"image.tag=v2,image.digest=sha256:{'0' * 64}", f"localhost/clickstream-streams@sha256:{'0' * 64}"),
    ],
)
def test_the_image_is_named_by_tag_or_digest(charts: Charts, options: str, image: str) -> None:
    assert {pod["containers"][0]["image"] for pod in pod_specs(rendered(charts, "streams", "--set", options))} == {
        image
    }


@pytest.mark.parametrize("app", APPS)
def test_an_app_reaches_dns_and_kafka_and_is_reached_on_its_ports(charts: Charts, app: str) -> None:
    brokers = "kafka.bootstrapServers=one.example.com:9094\\,two.example.com:9095"
    policy = only(rendered(charts, app, "--set", brokers), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    rules = [(rule.keys(), [port["port"] for port in rule["ports"]]) for rule in policy["ingress"]]
    assert rules == [({"ports"}, [number]) for number in sorted(PORTS[app].values())]
    further = {
        "archive": [{"ports": [{"port": 8333}, {"port": 8181}]}],
        "scenarios": [{"ports": [{"port": 3306}, {"port": 6379}]}],
        "statistics": [{"ports": [{"port": 6379}]}],
    }
    assert policy["egress"] == [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"ports": [{"port": 9094}, {"port": 9095}]},
        *further.get(app, []),
    ]


@pytest.mark.parametrize("app", APPS)
def test_the_ports_of_dns_and_kafka_can_be_others(charts: Charts, app: str) -> None:
    openshift = ("--set", "networkPolicy.dnsPorts={53,5353},networkPolicy.kafkaPorts={30092,30093}")
    policies = of_kind(rendered(charts, app, *openshift), "NetworkPolicy")
    further = {"archive": 1, "scenarios": 2}.get(app, 0)
    assert len(policies) == 2 + further, "that of helm test too, and those of jobs and of the page"
    for policy in policies:
        dns, kafka = policy["spec"]["egress"][:2]
        assert dns["ports"] == [{"port": port, "protocol": kind} for port in (53, 5353) for kind in ("UDP", "TCP")]
        assert kafka["ports"] == [{"port": 30092}, {"port": 30093}]


@pytest.mark.parametrize(("app", "namespace"), [("consumer", "monitoring"), ("collector", "ingress-nginx")])
def test_who_may_come_in_and_where_kafka_is_can_be_narrowed(charts: Charts, app: str, namespace: str) -> None:
    everything = str(SOURCE / chart(app) / "ci/03-everything-values.yaml")
    objects = rendered(charts, app, "--values", everything)
    policy = only(objects, "NetworkPolicy")["spec"]
    asked, test = policy["ingress"][0]["from"]
    assert asked["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    (pod,) = of_kind(objects, "Pod")
    assert test["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), "helm test still comes in"
    assert policy["egress"][1]["to"] == [{"podSelector": {"matchLabels": {"strimzi.io/cluster": "data-on-eks"}}}]


def test_the_collectors_admin_port_is_for_others_than_its_public_port(charts: Charts) -> None:
    everything = str(SOURCE / "clickstream-collector/ci/03-everything-values.yaml")
    _, admin = only(rendered(charts, "collector", "--values", everything), "NetworkPolicy")["spec"]["ingress"]
    assert admin["ports"] == [{"port": 8081}]
    (prometheus,) = admin["from"]
    assert prometheus["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_network_policies_can_be_turned_off(charts: Charts) -> None:
    assert of_kind(rendered(charts, "consumer", "--set", "networkPolicy.enabled=false"), "NetworkPolicy") == []
