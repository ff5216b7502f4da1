"""The chart of the scenarios: the stream, the page beside it, and the tables before both."""

from pathlib import Path

import pytest

from clickstream_core.settings import read_settings
from clickstream_scenarios.admin_settings import AdminSettings
from clickstream_scenarios.migrate import MigrateSettings
from kit.helm import Charts
from kit.rendered import SOURCE, Object, environment, is_beside, of_kind, only, rendered, variant_objects

CHART = "clickstream-scenarios"
VARIANTS = sorted(file.name for file in (SOURCE / CHART / "ci").glob("*-values.yaml"))


def admin(objects: list[Object], kind: str = "Deployment") -> Object:
    """The page's object of a kind."""
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == f"{CHART}-admin"]
    return found


def pod(resource: Object) -> Object:
    found: Object = resource["spec"]["template"]["spec"]
    return found


def secrets(found: Object) -> dict[str, tuple[str, str]]:
    """The Secrets of a pod's volumes, and the key, by the path in the container."""
    paths = {each["name"]: each["mountPath"] for each in found["containers"][0].get("volumeMounts", [])}
    return {
        f"{paths[each['name']]}/{item['path']}": (each["secret"]["secretName"], item["key"])
        for each in found.get("volumes", [])
        for item in each["secret"]["items"]
    }


@pytest.mark.parametrize("variant", [each for each in VARIANTS if "stream-alone" not in each])
def test_the_page_reads_its_environment(charts: Charts, variant: str, tmp_path: Path) -> None:
    (container,) = pod(admin(variant_objects(charts, f"{CHART}/ci/{variant}")))["containers"]
    given = {name: value for name, value in environment(container).items() if not name.startswith("KAFKA_SSL_")}
    given["KAFKA_SECURITY_PROTOCOL"] = given["KAFKA_SECURITY_PROTOCOL"].replace("_SSL", "_PLAINTEXT")
    if given["KAFKA_SECURITY_PROTOCOL"] == "SSL":
        given["KAFKA_SECURITY_PROTOCOL"] = "PLAINTEXT"
    for name, value in given.items():
        if value.startswith("/"):
            (tmp_path / name).write_text("# users\nkim:scrypt$1$8$1$eA==$eA==\n" + "x" * 32)
            given[name] = str(tmp_path / name)
    (tmp_path / "ADMIN_USERS_FILE").write_text("kim:scrypt$1$8$1$eA==$eA==\n")
    read = set()

    class Watched(dict[str, str]):
        def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
            read.add(name)
            return super().get(name, default)

    settings = read_settings(AdminSettings, prog="admin", description="", argv=[], environ=Watched(given))
    assert given.keys() <= read, "the page knows no setting of this name"
    assert settings.sign_in == ("proxy" if "proxy" in variant else "password")
    assert container["command"] == ["clickstream-scenarios-admin"]


def test_the_page_has_a_kafka_user_and_secrets_of_its_own(charts: Charts) -> None:
    objects = variant_objects(charts, f"{CHART}/ci/01-scram-over-tls-values.yaml")
    of_page, of_stream = secrets(pod(admin(objects))), secrets(pod(only(objects, "Deployment")))
    assert of_page["/etc/kafka/user/password"] == (f"{CHART}-admin", "password")
    assert of_stream["/etc/kafka/user/password"] == (CHART, "password")
    assert of_page.items() - of_stream.items() == {
        ("/etc/kafka/user/password", (f"{CHART}-admin", "password")),
        ("/etc/clickstream/session/key", (f"{CHART}-session", "key")),
        ("/etc/clickstream/users/users", (f"{CHART}-users", "users")),
    }
    assert not of_kind(objects, "Secret"), "a random one would be another at each rendering"


def test_the_page_is_reached_by_its_service_and_ingress_and_asks_only_stores_and_kafka(charts: Charts) -> None:
    objects = variant_objects(charts, f"{CHART}/ci/03-everything-values.yaml")
    labels = admin(objects)["spec"]["template"]["metadata"]["labels"]
    assert admin(objects, "Service")["spec"]["selector"].items() <= labels.items()
    assert not only(objects, "Service")["spec"]["selector"].items() <= labels.items()
    ingress = admin(objects, "Ingress")["spec"]
    (path,) = ingress["rules"][0]["http"]["paths"]
    assert (ingress["rules"][0]["host"], path["path"]) == ("scenarios.example.com", "/")
    assert path["backend"]["service"] == {"name": f"{CHART}-admin", "port": {"name": "http"}}
    policy = admin(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "ingress-nginx"
    }
    assert {"ports": [{"port": 3307}, {"port": 6380}]} in policy["egress"]
    assert admin(objects, "PodMonitor")["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_behind_an_ingress_the_pages_visitors_are_told_apart(charts: Charts) -> None:
    ingress = "admin.ingress.enabled=true,admin.ingress.hosts={a.example}"
    for options, proxies in ((("--set", ingress), "private"), ((), None)):
        given = environment(pod(admin(rendered(charts, "scenarios", *options)))["containers"][0])
        assert given.get("TRUSTED_PROXIES") == proxies


def test_the_tables_are_made_by_a_hook_that_helm_and_argo_cd_run_before_the_pods(charts: Charts) -> None:
    objects = rendered(charts, "scenarios", "--set", "migration.secret=owner")
    (job,) = of_kind(objects, "Job")
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded", (
        "a failed one is looked at"
    )
    assert pod(job)["serviceAccountName"] == "default", "the release's own is not there yet"
    (container,) = pod(job)["containers"]
    assert container["args"] == ["migrate"]
    given = {name: value for name, value in environment(container).items() if not name.endswith("_FILE")}
    assert given.keys() == {"DATABASE_URL"}
    read_settings(MigrateSettings, prog="migrate", description="", argv=[], environ=given)
    assert secrets(pod(job)) == {"/etc/clickstream/database/password": ("owner", "password")}
    (url,) = [each for each in container["env"] if each["name"] == "DATABASE_URL"]
    assert url["valueFrom"]["secretKeyRef"] == {"name": "owner", "key": "url"}
    (policy,) = [each for each in of_kind(objects, "NetworkPolicy") if each["metadata"]["name"] == f"{CHART}-migrate"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert policy["metadata"]["annotations"]["helm.sh/hook-weight"] == "-1", "before the Job"
    assert policy["metadata"]["annotations"]["helm.sh/hook"] == annotations["helm.sh/hook"]
    assert {"ports": [{"port": 3306}]} in policy["spec"]["egress"]


def test_an_account_of_the_platform_runs_the_migration_too(charts: Charts) -> None:
    account = "serviceAccount.create=false,serviceAccount.name=platform"
    (job,) = of_kind(rendered(charts, "scenarios", "--set", account), "Job")
    assert pod(job)["serviceAccountName"] == "platform"


def test_the_page_and_the_migration_can_be_left_out(charts: Charts) -> None:
    objects = variant_objects(charts, f"{CHART}/ci/05-stream-alone-values.yaml")
    assert not [each for each in objects if is_beside(each)]
    assert of_kind(objects, "Job") == []


def test_passwords_in_the_addresses_need_no_file_and_redis_is_optional(charts: Charts) -> None:
    options = ("--set", "database.passwordKey=,redis.secret=")
    deployment = only(rendered(charts, "scenarios", *options), "Deployment")
    given = environment(pod(deployment)["containers"][0])
    assert not given.keys() & {"DATABASE_PASSWORD_FILE", "REDIS_URL", "REDIS_PASSWORD_FILE"}
    assert secrets(pod(deployment)) == {}


def test_a_producer_of_access_logs_is_told_topic_and_scenarios(charts: Charts) -> None:
    options = ("--set", "kind=access-log,scenarioIds={5,1000000000},topics.accessLogs=logs")
    (container,) = only(rendered(charts, "producer", *options), "Deployment")["spec"]["template"]["spec"]["containers"]
    given = environment(container)
    assert (given["KIND"], given["ACCESS_LOGS_TOPIC"], given["SCENARIO_IDS"]) == ("access-log", "logs", "5,1000000000")
