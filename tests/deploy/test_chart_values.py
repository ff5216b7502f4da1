"""A chart's values: their defaults, their schema, and what is refused."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import yaml

from clickstream_core import __version__
from clickstream_core.settings import read_settings
from kit.helm import Charts
from kit.inventory import settings_of
from kit.rendered import APPS, SOURCE, chart, container, environment


@pytest.mark.parametrize("app", APPS)
def test_the_charts_defaults_are_the_apps_own(charts: Charts, app: str) -> None:
    given = environment(container(charts, app))
    for name in (
        "VISITOR_SECRET_FILE",
        "DATABASE_URL",
        "DATABASE_PASSWORD_FILE",
        "REDIS_URL",
        "REDIS_PASSWORD_FILE",
        "RESULTS_TO",
        "SPARK_CONF_FILE",
    ):
        given.pop(name, None)
    assert given.pop("KAFKA_BOOTSTRAP_SERVERS") == "data-on-eks-kafka-bootstrap:9092"
    if app == "archive":  # where strimzi/archive/dev has it
        assert given.pop("CATALOG_URI") == "http://clickstream-seaweedfs:8181"
        assert given.pop("S3_ENDPOINT") == "http://clickstream-seaweedfs:8333"
        assert given.pop("CATALOG_CREDENTIAL") == "$(AWS_ACCESS_KEY_ID):$(AWS_SECRET_ACCESS_KEY)"
    chosen = read_settings(settings_of(app), prog=app, description="", argv=[], environ=given)
    assert chosen == read_settings(settings_of(app), prog=app, description="", argv=[], environ={})


@pytest.mark.parametrize("app", APPS)
def test_a_chart_has_the_version_of_the_apps(app: str) -> None:
    described = yaml.safe_load((SOURCE / chart(app) / "Chart.yaml").read_text())
    library = yaml.safe_load((SOURCE / "clickstream-library/Chart.yaml").read_text())
    assert described["appVersion"] == __version__
    assert [each["version"] for each in described["dependencies"]] == [library["version"]]
    assert library["type"] == "library"


@pytest.mark.parametrize("app", APPS)
def test_the_schema_names_exactly_the_values_there_are(app: str) -> None:
    schema = json.loads((SOURCE / chart(app) / "values.schema.json").read_text())
    values = yaml.safe_load((SOURCE / chart(app) / "values.yaml").read_text())

    def compare(value: Mapping[str, Any], described: Mapping[str, Any], path: str) -> None:
        assert described["additionalProperties"] is False, path
        added_by_helm = {"global", "clickstream-library", "enabled"} if not path else set()  # the last for a condition
        assert described["properties"].keys() - added_by_helm == value.keys(), path
        for name, part in described["properties"].items():
            if "properties" in part:
                compare(value[name], part, f"{path}.{name}")

    compare(values, schema, "")
    assert len((SOURCE / chart(app) / "values.yaml").read_text().splitlines()) < 150


def test_what_the_charts_share_is_the_same_in_each() -> None:
    schemas = [json.loads((SOURCE / chart(app) / "values.schema.json").read_text())["properties"] for app in APPS]
    assert schemas[APPS.index("collector")]["networkPolicy"]["properties"].pop("adminFrom"), "only it has two ports"
    shared = {"image", "imagePullSecrets", "kafka", "log", "extraEnv", "resources", "networkPolicy", "podMonitor"}
    for one, other in pairwise(schemas):
        assert shared <= one.keys() & other.keys()
        for name in one.keys() & other.keys() - {"topics", "httpRoute"}:
            assert one[name] == other[name], name


@pytest.mark.parametrize(
    ("app", "option", "message"),
    [
        ("streams", "windowSzie=5m", "additional properties 'windowSzie' not allowed"),
        ("streams", "windowSize=5x", "at '/windowSize': '5x' does not match pattern"),
        ("streams", "windowSize=0s", "at '/windowSize': '0s' does not match pattern"),
        ("streams", "windowSize=500ms", "at '/windowSize': '500ms' does not match pattern"),
        ("streams", "windowSize=300", "at '/windowSize': got number, want string"),
        ("streams", "windowTime=processing", "at '/windowTime': value must be one of 'event', 'arrival'"),
        ("streams", "exactLimit=0", "at '/exactLimit': minimum: got 0, want 1"),
        ("streams", "exactLimit=125001", "at '/exactLimit': maximum: got 125,001, want 125,000"),
        ("streams", "replicas=-1", "at '/replicas': minimum: got -1, want 0"),
        ("streams", "keda.minReplicas=0", "at '/keda/minReplicas': minimum: got 0, want 1"),
        ("streams", "keda.enabled=yes", "at '/keda/enabled': got string, want boolean"),
        ("streams", "topics.event=a", "at '/topics': additional properties 'event' not allowed"),
        ("streams", "topics.events=a b", "at '/topics/events': 'a b' does not match pattern"),
        ("streams", "strategy=Rolling", "at '/strategy': value must be one of 'Recreate', 'RollingUpdate'"),
        ("streams", "strategy=auto", "at '/strategy': value must be one of 'Recreate', 'RollingUpdate'"),
        ("streams", "grafanaDashboard.enabled=true", "additional properties 'grafanaDashboard' not allowed"),
        ("producer", "rate=0", "at '/rate': minimum: got 0, want 0.001"),
        ("producer", "rate=fast", "at '/rate': got string, want number"),
        ("producer", "duration=5", "at '/duration': got number, want string"),
        ("producer", "kafka.bootstrapServers=kafka", "at '/kafka/bootstrapServers': 'kafka' does not match pattern"),
        (
            "producer",
            "kafka.authentication.type=plain",
            "at '/kafka/authentication/type': value must be one of 'none', 'scram-sha-512', 'tls'",
        ),
        ("producer", "kafka.authentication.type=tls", "set kafka.tls.enabled=true and the TLS listener's address"),
        ("producer", "image.digest=latest", "at '/image/digest': 'latest' does not match pattern"),
        ("producer", "extraEnv[0].nme=A", "at '/extraEnv/0': missing property 'name'"),
        ("consumer", "dashboardLanguage=fr", "at '/dashboardLanguage': value must be one of 'en', 'ko'"),
        ("consumer", "httpRoute.enabled=true", "httpRoute.parentRefs is empty: name the Gateway"),
        ("collector", "allowedOrigins={shop.example.com}", "at '/allowedOrigins/0': 'shop.example.com' does not match"),
        (
            "collector",
            "allowedOrigins={https://shop.example.com/cart}",
            "at '/allowedOrigins/0': 'https://shop.example.com/cart'",
        ),
        ("collector", "allowedOrigins=https://a.example", "at '/allowedOrigins': got string, want array"),
        ("collector", "siteKeys={two words}", "at '/siteKeys/0': 'two words' does not match pattern"),
        ("collector", "limit=0", "at '/limit': minimum: got 0, want 0.01"),
        ("collector", "limit=none", "at '/limit': 'none' does not match pattern '^off$'"),
        ("collector", "siteLimit=true", "at '/siteLimit': 'not' failed"),
        ("collector", "bytesPerEvent=99", "at '/bytesPerEvent': minimum: got 99, want 100"),
        ("collector", "trustedProxies={cdn}", "at '/trustedProxies/0': 'cdn' does not match pattern"),
        ("collector", "bots=flag", "at '/bots': value must be one of 'exclude', 'include'"),
        ("collector", "keptQueryParameters={a=b}", "at '/keptQueryParameters/0': 'a=b' does not match pattern"),
        ("collector", "visitorSecret.value=abc", "at '/visitorSecret': additional properties 'value' not allowed"),
        ("collector", "countryDatabase.path=country.mmdb", "at '/countryDatabase/path': 'country.mmdb' does not match"),
        ("collector", "countryDatabase.volume.emptyDir.medium=Memory", "volume is mounted on /country: name the file"),
        ("collector", "autoscaling.cpu=half", "at '/autoscaling/cpu': 'half' does not match pattern"),
        (
            "collector",
            "autoscaling.enabled=true,autoscaling.minReplicas=11",
            "minReplicas=11 is more than autoscaling.max",
        ),
        ("collector", "httpRoute.enabled=true", "httpRoute.parentRefs is empty: name the Gateway"),
        ("collector", "ingress.enabled=true", "ingress.hosts is empty: name the host that browsers send to"),
        ("collector", "ingress.paths={ingest}", "at '/ingress/paths/0': 'ingest' does not match pattern '^/'"),
        ("consumer", "fullnameOverride=My_Page", "at '/fullnameOverride': 'My_Page' does not match pattern"),
        ("producer", "networkPolicy.dnsPorts={dns}", "at '/networkPolicy/dnsPorts/0': got string, want integer"),
        ("producer", "networkPolicy.kafkaPorts={0}", "at '/networkPolicy/kafkaPorts/0': minimum: got 0, want 1"),
        ("archive", "catalog.type=hive", "at '/catalog/type': value must be one of 'rest', 'glue', 'hadoop'"),
        ("archive", "catalog.warehouse=clickstream", "at '/catalog/warehouse': 'clickstream' does not match pattern"),
        ("archive", "s3.endpoint=s3.example.com", "at '/s3/endpoint': 's3.example.com' does not match pattern"),
        ("archive", "verify.schedule=daily", "at '/verify/schedule': 'daily' does not match pattern"),
        ("archive", "compact.deadlineSeconds=5", "at '/compact/deadlineSeconds': minimum: got 5, want 60"),
        ("archive", "spillSize=4GB", "at '/spillSize': '4GB' does not match pattern"),
        ("archive", "storagePorts={hdfs}", "at '/storagePorts/0': got string, want integer"),
        ("producer", "kind=accesslog", "at '/kind': value must be one of 'events', 'weblog', 'access-log'"),
        ("producer", "scenarioIds={}", "at '/scenarioIds/0'"),
        ("scenarios", "database.secret=", "database.secret is empty: name the Secret"),
        ("scenarios", "database.port=0", "at '/database/port': minimum: got 0, want 1"),
        ("scenarios", "admin.signIn=none", "at '/admin/signIn': value must be one of 'password', 'proxy'"),
        ("scenarios", "admin.signIn=proxy", "admin.signIn=proxy: name the proxy's network in admin.trustedProxies"),
        ("scenarios", "admin.trustedProxies={cdn}", "at '/admin/trustedProxies/0': 'cdn' does not match pattern"),
        ("scenarios", "admin.ingress.enabled=true", "ingress.hosts is empty: name the host that browsers send to"),
        ("scenarios", "migration.deadlineSeconds=5", "at '/migration/deadlineSeconds': minimum: got 5, want 60"),
        ("statistics", "resultsTo=results", "at '/resultsTo': 'results' does not match pattern"),
        ("statistics", "spark.master=yarn", "at '/spark/master': 'yarn' does not match pattern"),
        ("statistics", "spark.master=k8s://https://kubernetes", "pods of executors don't share the volume, so name"),
        ("statistics", "spark.driverMemory=1Gi", "at '/spark/driverMemory': '1Gi' does not match pattern"),
        ("statistics", "spark.executors.instances=0", "at '/spark/executors/instances': minimum: got 0, want 1"),
        ("statistics", "redis.secret=", "redis.secret is empty: name the Secret with Redis' url"),
        ("statistics", "triggerInterval=5", "at '/triggerInterval': got number, want string"),
        ("consumer", "log.level=TRACE", "at '/log/level': value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(charts: Charts, app: str, option: str, message: str) -> None:
    refused = charts.template(chart(app), "--set", option)
    assert refused.returncode != 0
    assert message in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("limit=100", "100"),
        ("limit=0.5", "0.5"),
        ("limit=off", "off"),
        ("limit=false", "off"),
        ("limit=1e6", "1000000"),
    ],
)
def test_a_limit_is_written_as_the_collector_reads_it(charts: Charts, option: str, given: str) -> None:
    assert environment(container(charts, "collector", "--set-json", option.replace("off", '"off"')))["LIMIT"] == given


def test_query_parameters_that_are_kept_are_given_to_the_collector(charts: Charts) -> None:
    option = "keptQueryParameters={gclid,utm_*}"
    given = environment(container(charts, "collector", "--set", option))
    assert given["KEPT_QUERY_PARAMETERS"] == "gclid,utm_*"
    chosen = read_settings(
        settings_of("collector"), prog="", description="", argv=[], environ={**given, "VISITOR_SECRET_FILE": ""}
    )
    assert chosen.kept_query_parameters == ("gclid", "utm_*")
