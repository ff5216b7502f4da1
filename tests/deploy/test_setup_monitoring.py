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
    assert MONITORING not in cluster.set_up()
    assert cluster.installed() == list(RELEASES)


def test_where_the_operator_is_dashboard_and_rules_come_last(operated: FakeCluster) -> None:
    assert f"{MONITORING} is Ready" in operated.set_up("--collector")
    assert operated.installed() == [*RELEASES, "clickstream-collector", MONITORING]
    assert operated.values(MONITORING) == {"rules": {"enabled": True}}
    assert any(f"upgrade --install {MONITORING} {ROOT}/monitoring " in each for each in operated.programs.calls)


def test_without_the_right_to_make_rules_the_apps_come_alone_unless_asked(operated: FakeCluster) -> None:
    operated.api.denied.add("create prometheusrules.monitoring.coreos.com")
    operated.set_up()
    assert operated.installed() == list(RELEASES)
    assert "you may not create prometheusrules" in operated.set_up("--monitoring")
    assert operated.values(MONITORING) == {"rules": {"enabled": False}}


def test_without_the_operator_the_option_brings_the_dashboard(cluster: FakeCluster) -> None:
    assert "No alert rules: the Prometheus operator is not installed" in cluster.set_up("--monitoring")
    assert cluster.values(MONITORING) == {"rules": {"enabled": False}}


def test_it_takes_its_own_values_and_none_of_the_apps(operated: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "apps.yaml").write_text("log: {level: DEBUG}\n")
    (tmp_path / "own.yaml").write_text("dashboard: {enabled: false}\n")
    operated.set_up(f"--values={tmp_path}/apps.yaml --values={MONITORING}={tmp_path}/own.yaml --image-tag=9")
    assert operated.values(MONITORING) == {"rules": {"enabled": True}, "dashboard": {"enabled": False}}


def test_one_that_is_there_is_left_alone_by_a_run_without_it(cluster: FakeCluster) -> None:
    cluster.programs.releases[MONITORING] = "deployed"
    left = f"{MONITORING} is there and stays as it is (with --monitoring it is updated too)"
    assert left in cluster.set_up()
    assert cluster.installed() == list(RELEASES)


def test_cleanup_removes_it_before_the_apps_that_it_watches(cluster: FakeCluster) -> None:
    cluster.programs.releases |= dict.fromkeys((*RELEASES, MONITORING), "deployed")
    assert f"Removed release {MONITORING}" in cluster.clean_up()
    assert cluster.matching("uninstall") == [f"uninstall {each}" for each in (MONITORING, *reversed(RELEASES))]
