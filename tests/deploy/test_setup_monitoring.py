"""The dashboard and the alert rules, as setup.sh and cleanup.sh install and remove them."""

from pathlib import Path

import pytest

from kit.fake_kubernetes import RELEASES, FakeCluster
from kit.inventory import ROOT

MONITORING = "clickstream-monitoring"


@pytest.fixture
def operated(cluster: FakeCluster) -> FakeCluster:
    """With the Prometheus operator."""
    cluster.api.serve("monitoring.coreos.com", "v1", "PrometheusRule", "PodMonitor")
    return cluster


def test_without_the_operator_and_unasked_there_is_no_monitoring(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert cluster.installed() == list(RELEASES)
    assert MONITORING not in finished.output


def test_where_the_operator_is_dashboard_and_rules_come_last(operated: FakeCluster) -> None:
    finished = operated.run("setup.sh", "--collector")
    assert finished.status == 0, finished.error
    assert operated.installed() == [*RELEASES, "clickstream-collector", MONITORING]
    assert operated.values(MONITORING) == {"rules": {"enabled": True}}
    assert any(f"upgrade --install {MONITORING} {ROOT}/monitoring " in each for each in operated.programs.calls)
    assert f"{MONITORING} is Ready" in finished.output


def test_without_the_right_to_make_rules_the_apps_come_alone_unless_asked(operated: FakeCluster) -> None:
    operated.api.denied.add("create prometheusrules.monitoring.coreos.com")
    finished = operated.run("setup.sh")
    assert finished.status == 0, finished.error
    assert operated.installed() == list(RELEASES)
    asked = operated.run("setup.sh", "--monitoring")
    assert operated.values(MONITORING) == {"rules": {"enabled": False}}
    assert "you may not create prometheusrules" in asked.output


def test_without_the_operator_the_option_brings_the_dashboard(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--monitoring")
    assert finished.status == 0, finished.error
    assert cluster.values(MONITORING) == {"rules": {"enabled": False}}
    assert "No alert rules: the Prometheus operator is not installed" in finished.output


def test_it_takes_its_own_values_and_none_of_the_apps(operated: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "apps.yaml").write_text("log: {level: DEBUG}\n")
    (tmp_path / "own.yaml").write_text("dashboard: {enabled: false}\n")
    values = [f"--values={tmp_path}/apps.yaml", f"--values={MONITORING}={tmp_path}/own.yaml"]
    finished = operated.run("setup.sh", *values, "--image-tag=9")
    assert finished.status == 0, finished.error
    assert operated.values(MONITORING) == {"rules": {"enabled": True}, "dashboard": {"enabled": False}}


def test_its_values_do_not_ask_for_it(cluster: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("dashboard: {enabled: false}\n")
    finished = cluster.run("setup.sh", f"--values={MONITORING}={tmp_path}/own.yaml")
    assert finished.status == 1
    assert f"--values={MONITORING}=...: without the Prometheus operator" in finished.error
    assert cluster.happened == []


def test_one_that_is_there_is_left_alone_by_a_run_without_it(cluster: FakeCluster) -> None:
    cluster.programs.releases[MONITORING] = "deployed"
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert f"{MONITORING} is there and stays as it is (with --monitoring it is updated too)" in finished.output
    assert cluster.installed() == list(RELEASES)


def test_cleanup_removes_it_before_the_apps_that_it_watches(cluster: FakeCluster) -> None:
    cluster.programs.releases |= dict.fromkeys((*RELEASES, MONITORING), "deployed")
    finished = cluster.run("cleanup.sh")
    assert finished.status == 0, finished.error
    assert cluster.matching("uninstall") == [f"uninstall {each}" for each in (MONITORING, *reversed(RELEASES))]
    assert f"Removed release {MONITORING}" in finished.output
