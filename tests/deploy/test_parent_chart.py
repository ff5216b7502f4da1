"""All charts below one parent chart: each app is what it is alone, and nothing of one reaches another."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.helm import Charts
from kit.rendered import APPS, Object, chart, environment, is_beside, is_test, of_kind, only

RELEASE = "up"
ALIAS = "page"
MONITORING = "clickstream-monitoring"
VALUES: dict[str, dict[str, Any]] = {
    "clickstream-producer": {"rate": 7, "podMonitor": {"enabled": True}},
    "clickstream-streams": {"windowSize": "1m", "keda": {"enabled": True}, "podSecurityContext": {"runAsUser": None}},
    "clickstream-consumer": {"kafka": {"authentication": {"type": "scram-sha-512", "secret": "someone"}}},
    "clickstream-collector": {"siteKeys": ["shop"], "preStopSeconds": 9, "visitorSecret": {"name": "salt"}},
    "clickstream-archive": {"report": {"enabled": False}},
    "clickstream-scenarios": {"groupId": "others", "admin": {"signIn": "proxy", "trustedProxies": ["private"]}},
    "clickstream-statistics": {"resultsTo": "s3a://results/a", "spark": {"master": "k8s://https://kubernetes"}},
    ALIAS: {"dashboardLanguage": "ko", "groupId": "page"},
    MONITORING: {"dashboard": {"annotations": {"grafana_folder": "Clicks"}}},
}
"""For each dependency; `page` is a second consumer."""
DEPLOYED = VALUES.keys() - {MONITORING}
Render = Callable[..., list[Object]]


@pytest.fixture(scope="module")
def parent(charts: Charts, tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """Helm, and beside the charts a parent of all of them, with a second consumer."""
    places = {ALIAS: "../clickstream-consumer", MONITORING: "../../monitoring"}
    workshop = tmp_path_factory.mktemp("parent")
    folder = Path(shutil.copytree(charts.directory, workshop / "charts"))
    shutil.copytree(charts.path(MONITORING), workshop / "monitoring")
    dependencies = [
        {
            "name": "clickstream-consumer" if name == ALIAS else name,
            "version": "0.1.0",
            "repository": f"file://{places.get(name, f'../{name}')}",
            "condition": f"{name}.enabled",
            **({"alias": ALIAS} if name == ALIAS else {}),
        }
        for name in VALUES
    ]
    described = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (folder / "parent").mkdir()
    (folder / "parent/Chart.yaml").write_text(yaml.safe_dump(described))
    (folder / "parent/values.yaml").write_text(yaml.safe_dump(VALUES))
    built = Charts(charts.executable, folder)
    built.run("dependency", "update", str(folder / "parent")).check_returncode()
    return built


def below_parent(objects: list[Object], name: str) -> list[Object]:
    """Those of one dependency, by the label of its chart, with those of its test, jobs and page."""
    of_it = re.compile(rf"{name}(-(test|job|admin|executor))?")
    return [each for each in objects if of_it.fullmatch(each["metadata"]["labels"]["app.kubernetes.io/name"])]


@pytest.mark.parametrize("name", VALUES)
def test_below_a_parent_an_app_is_what_it_is_alone(charts: Charts, parent: Charts, tmp_path: Path, name: str) -> None:
    app = "clickstream-consumer" if name == ALIAS else name
    values = (
        VALUES[name] | {"fullnameOverride": f"{RELEASE}-{name}"} | ({"nameOverride": ALIAS} if name == ALIAS else {})
    )
    (tmp_path / "values.json").write_text(json.dumps(values))
    alone = charts.objects(app, "--values", str(tmp_path / "values.json"), release=RELEASE)
    together = below_parent(parent.objects("parent", release=RELEASE), name)

    assert len(alone) >= (2 if name == MONITORING else 5)
    for objects in (alone, together):
        for each in objects:
            each["metadata"]["labels"].pop("helm.sh/chart", None)
    assert sorted(together, key=str) == sorted(alone, key=str)


def test_below_a_parent_each_app_has_its_own_name_environment_and_pods(parent: Charts) -> None:
    objects = parent.objects("parent", release=RELEASE)
    deployments = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    assert deployments.keys() == {*(f"{RELEASE}-{name}" for name in DEPLOYED), f"{RELEASE}-clickstream-scenarios-admin"}
    made = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(made)) == len(made)

    def given(name: str) -> dict[str, str]:
        return environment(deployments[f"{RELEASE}-{name}"]["spec"]["template"]["spec"]["containers"][0])

    assert given("clickstream-producer")["RATE"] == "7"
    assert given("clickstream-streams")["WINDOW_SIZE"] == "1m"
    assert given("clickstream-collector")["SITE_KEYS"] == "shop"
    assert (given("clickstream-consumer")["DASHBOARD_LANGUAGE"], given(ALIAS)["DASHBOARD_LANGUAGE"]) == ("en", "ko")

    pods = [each["spec"]["template"]["metadata"]["labels"] for each in deployments.values()]
    pods += [each["metadata"]["labels"] for each in of_kind(objects, "Pod")]
    jobs = of_kind(objects, "CronJob")
    pods.append(jobs[0]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"])  # all have the same
    pods += [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(objects, "Job")]
    executors = [
        each["data"]["executor.yaml"] for each in of_kind(objects, "ConfigMap") if "executor.yaml" in each["data"]
    ]
    pods += [yaml.safe_load(each)["metadata"]["labels"] for each in executors]
    for each in objects:
        selector = each["spec"].get("selector") or each["spec"].get("podSelector") if "spec" in each else None
        if selector and each["kind"] != "Pod":
            wanted = selector.get("matchLabels", selector)
            assert sum(wanted.items() <= labels.items() for labels in pods) == 1, each["metadata"]["name"]


def test_a_field_of_the_security_context_can_be_left_out_by_the_parent(parent: Charts) -> None:
    objects = below_parent(parent.objects("parent", release=RELEASE), "clickstream-streams")
    assert "runAsUser" not in only(objects, "Deployment")["spec"]["template"]["spec"]["securityContext"]


def test_below_a_parent_each_app_has_a_user_of_its_own(parent: Charts) -> None:
    scram = [part for name in DEPLOYED for part in ("--set", f"{name}.kafka.authentication.type=scram-sha-512")]
    scram += ["--set", "clickstream-consumer.kafka.authentication.secret="]
    deployments = of_kind(parent.objects("parent", *scram, release=RELEASE), "Deployment")
    users = {
        each["metadata"]["name"]: environment(each["spec"]["template"]["spec"]["containers"][0])["KAFKA_SASL_USERNAME"]
        for each in deployments
    }
    assert len(users) == len(DEPLOYED) + 1, "the scenarios' page has a user too"
    assert users == {name: name for name in users}


def test_a_parent_can_leave_an_app_out(parent: Charts) -> None:
    objects = parent.objects(
        "parent", "--set", "clickstream-collector.enabled=false,page.enabled=false", release=RELEASE
    )
    assert len(of_kind(objects, "Deployment")) == len(DEPLOYED) - 1, "two less, and the scenarios' page"


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("clickstream", {*(chart(app) for app in APPS), "clickstream-page"}),
        (
            "clickstream-streams-processor",
            {
                "clickstream-streams-processor",
                *(f"clickstream-streams-processor-{name}" for name in DEPLOYED if name != "clickstream-streams"),
            },
        ),
    ],
)
def test_what_release_and_chart_have_in_common_is_named_once(parent: Charts, release: str, names: set[str]) -> None:
    objects = parent.objects("parent", release=release)
    own = {each["metadata"]["name"] for each in of_kind(objects, "Deployment") if not is_beside(each)}
    assert own == names
    assert {each["metadata"]["name"] for each in objects if is_test(each)} == {f"{name}-test" for name in names}
