"""setup.sh --scenarios and what cleanup.sh leaves of it, with the real manifests on a Kubernetes API in memory."""

import base64
from typing import Any

import pytest
import yaml

from clickstream_core.password_hashes import is_password
from kit.fake_kubernetes import RELEASES, FakeCluster, Manifest, event, healthy_cluster, manifest, pod, replica_set
from kit.inventory import ROOT, releases
from kit.kustomize import KustomizeMissing, build, find_kustomize
from kit.skipping import skip
from kit.structural_schema import load_documents

SCENARIOS = "clickstream-scenarios"
OPTIONAL = tuple(each.name for each in releases() if each.option == "scenarios")
DEV = ["--scenarios", "--with-stores", "dev"]
OWN = ["--scenarios", "--database-secret", "db", "--redis-secret", "cache"]
STORES = ("clickstream-mariadb", "clickstream-valkey")
CLAIMS = [f"data-{each}-0" for each in STORES]
TOPICS = {"clickstream-access-logs", "clickstream-scenario-results"}


def encoded(**texts: str) -> dict[str, str]:
    """A Secret's data."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def decoded(cluster: FakeCluster, secret: str) -> dict[str, str]:
    """A Secret's texts."""
    return {key: base64.b64decode(text).decode() for key, text in cluster.api.of("Secret")[secret]["data"].items()}


def rendered() -> str:
    """What Helm makes of the chart, as far as setup.sh looks at it."""
    volumes = [{"secret": {"secretName": f"{SCENARIOS}-{each}"}} for each in ("session", "users")]
    deployment = manifest("Deployment", f"{SCENARIOS}-admin", "apps/v1")
    deployment["spec"] = {"template": {"spec": {"volumes": volumes}}}
    return str(yaml.safe_dump(deployment))


@pytest.fixture(scope="module")
def manifests() -> dict[str, list[Manifest]]:
    """What kustomize makes of the scenarios' folders."""
    try:
        kustomize = find_kustomize(ROOT / ".local/bin")
    except KustomizeMissing as missing:
        skip(str(missing))
    folders = ("scenarios/users", "scenarios/topics", "scenarios/dev/topics", "scenarios/dev/stores")
    return {folder: load_documents(build(kustomize, ROOT / "strimzi" / folder)) for folder in folders}


@pytest.fixture
def cluster(manifests: dict[str, list[Manifest]]) -> FakeCluster:
    """A healthy one with the scenarios' manifests; the stores' pods are Ready at once."""
    found = healthy_cluster()
    found.programs.manifests |= manifests
    found.programs.rendered[SCENARIOS] = rendered()
    for each in STORES:
        found.api.add(pod(f"{each}-0", ready=True, labels={"app.kubernetes.io/name": each}))
    return found


def with_secrets(cluster: FakeCluster, database: Any = None, redis: Any = None) -> None:
    """Add the user's own Secrets; each is what is in it."""
    database = {"url": "mariadb://kim@db.example.com/shop", "password": "x"} if database is None else database
    redis = {"url": "rediss://cache.example.com:6380/0"} if redis is None else redis
    cluster.api.add(manifest("Secret", "db", data=encoded(**database)))
    cluster.api.add(manifest("Secret", "cache", data=encoded(**redis)))


# Options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--scenarios"],
            "--scenarios needs a database and Redis: give --database-secret NAME and --redis-sec",
        ),
        (["--scenarios", "--database-secret", "db"], "needs a database and Redis: give --redis-secret NAME, or --with"),
        (["--database-secret", "db"], "--database-secret is for the scenarios: give --scenarios too"),
        (["--with-stores", "dev"], "--with-stores is for the scenarios: give --scenarios too"),
        ([*DEV, "--redis-secret", "r"], "--redis-secret can't be given with --with-stores, which makes these stores"),
        (["--scenarios", "--with-stores", "prod"], "--with-stores=prod: expected dev (one MariaDB and one Valkey"),
        (["--scenarios", "--database-secret", "A_B"], "--database-secret=A_B: expected the name of a Secret"),
        (["--kind", "access-log"], "--kind=access-log writes requests of scenarios: give --scenarios too"),
        (["--values", f"{SCENARIOS}=/dev/null"], f"{SCENARIOS} is installed with --scenarios, which is missing"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    cluster: FakeCluster, arguments: list[str], message: str
) -> None:
    finished = cluster.run("setup.sh", *arguments)
    assert (finished.status, cluster.happened, cluster.api.asked) == (2, [], [])
    assert message in finished.error
    assert finished.error.count("\n") == 1


# Stores in the cluster


def test_topics_users_and_stores_come_before_the_scenarios(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", *DEV)
    assert finished.status == 0, finished.error
    order = [
        "create KafkaTopic/clickstream-access-logs",
        "apply KafkaUser/clickstream-scenarios",
        "create Secret/clickstream-mariadb",
        "apply StatefulSet/clickstream-mariadb",
        "apply StatefulSet/clickstream-valkey",
        "create Secret/clickstream-scenarios-users",
        f"install {SCENARIOS}",
    ]
    assert [each for each in cluster.happened if each in order] == order
    assert cluster.installed() == [*RELEASES, *OPTIONAL]
    assert cluster.api.of("KafkaTopic").keys() >= TOPICS
    assert {each["spec"]["replicas"] for each in cluster.api.of("KafkaTopic").values()} == {1}
    assert cluster.api.of("KafkaUser").keys() >= {SCENARIOS, f"{SCENARIOS}-admin"}
    assert "are Ready: for trying out, with no copies and no backups" in finished.output
    assert f"kubectl port-forward service/{SCENARIOS}-admin 8092:8080 -n kafka" in finished.output


def test_the_charts_get_the_stores_secrets_whose_passwords_are_made_once(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", *DEV).status == 0
    for release in OPTIONAL:
        values = cluster.values(release)
        assert values["redis"] == {"secret": "clickstream-valkey", "passwordKey": "password", "port": 6379}
    database = {"secret": "clickstream-mariadb", "passwordKey": "password", "port": 3306}
    assert cluster.values(SCENARIOS)["database"] == database
    mariadb, valkey = (decoded(cluster, each) for each in STORES)
    assert mariadb["url"] == "mariadb://clickstream@clickstream-mariadb:3306/clickstream"
    assert valkey["valkey.conf"] == f"requirepass {valkey['password']}\n"
    assert len({mariadb["password"], valkey["password"]}) == 2
    assert cluster.run("setup.sh", *DEV).status == 0
    assert (decoded(cluster, STORES[0]), decoded(cluster, STORES[1])) == (mariadb, valkey)


def test_the_first_user_can_sign_in_and_secrets_that_are_there_stay(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", *DEV)
    secret, session = decoded(cluster, f"{SCENARIOS}-users"), decoded(cluster, f"{SCENARIOS}-session")
    name, _, hashed = secret["users"].strip().partition(":")
    assert name == "admin"
    assert is_password(secret["admin-password"], hashed)
    assert secret["admin-password"] not in finished.output
    assert "-o jsonpath='{.data.admin-password}' | base64 -d" in finished.output
    assert len(session["key"]) >= 32
    assert cluster.run("setup.sh", *DEV).status == 0
    assert decoded(cluster, f"{SCENARIOS}-users") == secret
    assert decoded(cluster, f"{SCENARIOS}-session") == session


def test_a_volume_whose_password_is_gone_is_refused(cluster: FakeCluster) -> None:
    cluster.api.add(manifest("PersistentVolumeClaim", CLAIMS[0]))
    finished = cluster.run("setup.sh", *DEV)
    assert (finished.status, cluster.happened) == (1, [])
    assert f"kubectl delete pvc {CLAIMS[0]} -n kafka" in finished.error


def test_an_image_of_a_store_that_is_missing_is_explained(cluster: FakeCluster) -> None:
    del cluster.api.objects["", "pods", "kafka", f"{STORES[0]}-0"]
    broken = pod(f"{STORES[0]}-0", reason="ErrImagePull", labels={"app.kubernetes.io/name": STORES[0]})
    cluster.api.add(broken, event(f"{STORES[0]}-0", "Failed", "no such host"))
    finished = cluster.run("setup.sh", *DEV)
    assert finished.status == 1
    assert "no such host" in finished.error
    assert f"{STORES[0]} does not come up: see above" in finished.error


# Stores of the user's own


def test_own_stores_are_named_by_their_secrets(cluster: FakeCluster) -> None:
    with_secrets(cluster)
    finished = cluster.run("setup.sh", *OWN)
    assert finished.status == 0, finished.error
    assert cluster.values(SCENARIOS)["database"] == {"secret": "db", "passwordKey": "password", "port": 3306}
    for release in OPTIONAL:
        assert cluster.values(release)["redis"] == {"secret": "cache", "passwordKey": "", "port": 6380}
    assert cluster.api.of("StatefulSet") == {}


def test_a_database_may_have_its_password_in_the_address(cluster: FakeCluster) -> None:
    with_secrets(cluster, database={"url": "mysql://kim:s3cret@db.example.com:3307/shop"})
    assert cluster.run("setup.sh", *OWN).status == 0
    assert cluster.values(SCENARIOS)["database"] == {"secret": "db", "passwordKey": "", "port": 3307}


@pytest.mark.parametrize(
    ("database", "redis", "message"),
    [
        ({"password": "x"}, None, "--database-secret=db: Secret db in namespace kafka has no url, such as mariadb://"),
        ({"url": "mariadb://u@db/x"}, None, "Secret db in namespace kafka has no password, and no url with one"),
        ({"url": "postgres://u:geheim@db/x"}, None, "has a url (not shown, it may have a password) that is not like"),
        ({"url": "mariadb://u:geheim@db:x/y"}, None, "that is not like mariadb://USER@HOST:3306/NAME"),
        (None, {"uri": "redis://cache"}, "--redis-secret=cache: Secret cache in namespace kafka has no url"),
        (None, {"url": "http://cache"}, "that is not like redis://HOST:6379/0: kubectl create secret generic cache"),
    ],
)
def test_what_a_secret_lacks_is_named_before_anything_is_made(
    cluster: FakeCluster, database: Any, redis: Any, message: str
) -> None:
    with_secrets(cluster, database, redis)
    finished = cluster.run("setup.sh", *OWN)
    assert (finished.status, cluster.happened) == (1, [])
    assert message in finished.error
    assert "geheim" not in finished.error
    assert finished.error.count("\n") == 1


def test_a_secret_that_is_missing_is_named_with_the_command_that_makes_it(cluster: FakeCluster) -> None:
    with_secrets(cluster)
    cluster.api.remove("Secret", "db")
    finished = cluster.run("setup.sh", *OWN)
    assert (finished.status, cluster.happened) == (1, [])
    assert "Secret db in namespace kafka does not exist: kubectl create secret generic db -n kafka" in finished.error
    assert "--from-literal=url=mariadb://USER@HOST:3306/NAME --from-literal=password=..." in finished.error


def test_a_secret_that_may_not_be_read_is_left_to_the_pods(cluster: FakeCluster) -> None:
    cluster.api.denied.add("list secrets")
    finished = cluster.run("setup.sh", *OWN)
    assert finished.status == 1
    assert "list secrets" in finished.error, "helm needs this right; nothing is said of the stores"
    assert "does not exist" not in finished.error


# Rights, dry runs, and what is there


@pytest.mark.parametrize("right", ["create jobs.batch", "create statefulsets.apps", "watch jobs.batch"])
def test_missing_rights_are_named(cluster: FakeCluster, right: str) -> None:
    cluster.api.denied.add(right)
    finished = cluster.run("setup.sh", *DEV)
    assert (finished.status, cluster.happened) == (1, [])
    assert right in finished.error


def test_a_dry_run_says_what_it_would_make(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", *DEV, "--dry-run")
    assert (finished.status, cluster.happened) == (0, []), finished.error
    for each in (*STORES, f"{SCENARIOS}-users", f"{SCENARIOS}-session"):
        assert f"Would create the secret {each}\n" in finished.output
    assert "Would create or update clickstream-mariadb and clickstream-valkey, for trying out" in finished.output
    assert f"Would install {SCENARIOS}\n" in finished.output
    assert "StatefulSet" in {each["kind"] for each in cluster.api.dry}


def test_scenarios_that_are_there_stay_as_they_are_without_the_option(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", *DEV).status == 0
    cluster.programs.releases |= dict.fromkeys(OPTIONAL, "deployed")
    before = len(cluster.happened)
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    for release in OPTIONAL:
        assert f"{release} is there and stays as it is (with --scenarios it is updated too)" in finished.output
    assert not [each for each in cluster.happened[before:] if "mariadb" in each or "scenarios" in each]


@pytest.mark.parametrize("part", ["migration", "page"])
def test_pods_of_the_migration_and_of_the_page_are_watched_too(cluster: FakeCluster, part: str) -> None:
    instance = {"app.kubernetes.io/instance": SCENARIOS}
    cluster.programs.hanging.add(SCENARIOS)
    if part == "migration":
        cluster.api.add(pod("broken", reason="ErrImagePull", labels={**instance, "job-name": "migrate"}))
    else:
        for name, suffix in ((SCENARIOS, "abc"), (f"{SCENARIOS}-admin", "def")):
            labels = {**instance, "app.kubernetes.io/name": name, "pod-template-hash": suffix}
            cluster.api.add(replica_set(1, suffix, **labels))
            reason = "" if name == SCENARIOS else "ErrImagePull"
            cluster.api.add(pod(f"pod-{suffix}", reason=reason, ready=not reason, labels=labels))
    finished = cluster.run("setup.sh", *DEV)
    assert finished.status == 1
    assert cluster.clock.now < 60
    assert "can't get its image" in finished.error


# cleanup.sh


def installed(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh", *DEV).status == 0
    cluster.programs.releases |= dict.fromkeys((*RELEASES, *OPTIONAL), "deployed")
    for claim in CLAIMS:
        cluster.api.add(manifest("PersistentVolumeClaim", claim))
    for each in STORES:
        del cluster.api.objects["", "pods", "kafka", f"{each}-0"]
    cluster.happened.clear()


def test_cleanup_removes_all_but_the_data(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    order = [
        f"uninstall {SCENARIOS}",
        "delete StatefulSet/clickstream-mariadb",
        f"delete KafkaUser/{SCENARIOS}",
    ]
    assert [each for each in cluster.happened if each in order] == order
    assert f"Kept: volumes {' '.join(CLAIMS)}, with scenarios, members and statistics" in finished.output
    assert "./cleanup.sh --delete-stores removes them" in finished.output
    assert cluster.api.of("KafkaTopic").keys() >= TOPICS
    assert not any(cluster.api.of(kind) for kind in ("StatefulSet", "NetworkPolicy", "Service", "KafkaUser"))
    assert set(cluster.api.of("Secret")) == set(STORES), "the passwords of what stays"
    assert cluster.programs.releases == {}


@pytest.mark.parametrize("option", ["--delete-stores", "--all"])
def test_data_goes_when_asked(cluster: FakeCluster, option: str) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", option)
    assert finished.status == 0, finished.error
    assert f"Removed volumes {' '.join(CLAIMS)}, with scenarios, members and statistics" in finished.output
    assert cluster.api.of("PersistentVolumeClaim") == cluster.api.of("Secret") == {}


def test_topics_go_with_the_others(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", "--delete-topics")
    assert finished.status == 0, finished.error
    assert cluster.api.of("KafkaTopic") == {}


def test_a_dry_run_of_cleanup_removes_nothing(cluster: FakeCluster) -> None:
    installed(cluster)
    finished = cluster.run("cleanup.sh", "--delete-stores", "--dry-run")
    assert (finished.status, cluster.happened) == (0, []), finished.error
    assert "Would remove the scenarios' stores (" in finished.output
    assert "Would remove volumes data-clickstream-mariadb-0" in finished.output
