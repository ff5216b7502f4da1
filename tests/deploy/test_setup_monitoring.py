"""The dashboard and the alert rules, as setup.sh and cleanup.sh install and remove them."""

from pathlib import Path

import pytest

from kit.fake_cluster import RELEASES, FakeCluster, Finished
from kit.inventory import ROOT

MONITORING = "clickstream-monitoring"
OPERATOR = '{"kind":"APIResourceList","resources":[{"kind":"PrometheusRule"}]}'


def installed(finished: Finished) -> list[str]:
    return [each.call.split()[3] for each in finished.called("helm upgrade --install")]


def rules(finished: Finished) -> str:
    (upgrade,) = finished.called(f"helm upgrade --install {MONITORING} ")
    assert upgrade.call.startswith(f"helm upgrade --install {MONITORING} {ROOT}/monitoring --namespace kafka ")
    return "".join(upgrade.values)


@pytest.fixture
def operated(cluster: FakeCluster) -> FakeCluster:
    """With the Prometheus operator."""
    cluster.answer("get --raw=/apis/monitoring.coreos.com/v1", OPERATOR)
    return cluster


def test_without_the_operator_and_unasked_there_is_no_monitoring(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert installed(finished) == list(RELEASES)
    assert MONITORING not in finished.output


def test_where_the_operator_is_dashboard_and_rules_come_last(operated: FakeCluster) -> None:
    finished = operated.run("setup.sh", "--collector")
    assert finished.status == 0, finished.error
    assert installed(finished) == [*RELEASES, "clickstream-collector", MONITORING]
    assert rules(finished) == "rules: {enabled: true}"
    assert f"{MONITORING} is Ready" in finished.output


def test_without_the_right_to_make_rules_the_apps_come_alone_unless_asked(operated: FakeCluster) -> None:
    operated.answer("auth can-i create prometheusrules", status=1)
    finished = operated.run("setup.sh")
    assert finished.status == 0, finished.error
    assert installed(finished) == list(RELEASES)
    asked = operated.run("setup.sh", "--monitoring")
    assert rules(asked) == "rules: {enabled: false}"
    assert "you may not create prometheusrules" in asked.output


def test_without_the_operator_the_option_brings_the_dashboard(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--monitoring")
    assert finished.status == 0, finished.error
    assert rules(finished) == "rules: {enabled: false}"
    assert "No alert rules: the Prometheus operator is not installed" in finished.output


def test_it_takes_its_own_values_and_none_of_the_apps(operated: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "apps.yaml").write_text("log: {level: DEBUG}\n")
    (tmp_path / "own.yaml").write_text("dashboard: {enabled: false}\n")
    options = ["--values", "apps.yaml", "--values", f"{MONITORING}=own.yaml", "--image-tag=9"]
    finished = operated.run("setup.sh", *options, folder=tmp_path)
    assert finished.status == 0, finished.error
    assert rules(finished) == "rules: {enabled: true}dashboard: {enabled: false}"


def test_its_values_do_not_ask_for_it(cluster: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("dashboard: {enabled: false}\n")
    finished = cluster.run("setup.sh", f"--values={MONITORING}=own.yaml", folder=tmp_path)
    assert finished.status == 1
    assert f"--values={MONITORING}=...: without the Prometheus operator" in finished.error
    assert installed(finished) == []


def test_one_that_is_there_is_left_alone_by_a_run_without_it(cluster: FakeCluster) -> None:
    cluster.answer(f"helm .*status {MONITORING}", "STATUS: deployed\n")
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert f"{MONITORING} is there and stays as it is (with --monitoring it is updated too)" in (finished.output)
    assert installed(finished) == list(RELEASES)


def test_cleanup_removes_it_before_the_apps_that_it_watches(cluster: FakeCluster) -> None:
    cluster.answer("helm .*list .*--short", "".join(f"{release}\n" for release in (*RELEASES, MONITORING)))
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    uninstalled = [each.call.split(" uninstall ")[1].split()[0] for each in finished.called("helm .* uninstall ")]
    assert uninstalled[0] == MONITORING
    assert set(uninstalled) == {MONITORING, *RELEASES}
    assert f"Removed release {MONITORING}" in finished.output
