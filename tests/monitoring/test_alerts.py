"""monitoring/alerts.yaml, tried by promtool; each alert firing and silent, with a runbook that exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_local.prometheus import ALERTS, rule_file
from kit.integrations import DefinitionMissing, problems
from kit.prometheus import run_tool
from kit.skipping import skip

ROOT = Path(__file__).parents[2]
Documented = dict[str, tuple[str, frozenset[str]]]
_EXPECTED = {
    "ClickstreamGroupLag",
    "ClickstreamNoWindow",
    "ClickstreamWindowWaiting",
    "ClickstreamClockWrong",
    "ClickstreamDeadLetters",
    "ClickstreamCollectorErrors",
    "ClickstreamCollectorLimited",
    "ClickstreamCollectorSlow",
    "ClickstreamCollectorUnacknowledged",
    "ClickstreamCollectorNotReady",
    "ClickstreamArchiveTaskFailed",
    "ClickstreamArchiveLag",
    "ClickstreamArchiveNotCommitted",
    "ClickstreamArchiveDifference",
    "ClickstreamArchiveNotVerified",
    "ClickstreamArchiveCompactionLate",
    "ClickstreamScenariosDatabaseAway",
    "ClickstreamScenariosRulesOld",
    "ClickstreamScenariosUnknown",
    "ClickstreamStatisticsBehind",
    "ClickstreamProcessorNotReady",
    "ClickstreamPodRestarting",
    "KafkaBrokerFailure",
    "KafkaUnderReplicatedPartitions",
    "KafkaCertificateExpiry",
}


@pytest.fixture(scope="module")
def resource() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def alerts(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rules = [rule for group in resource["spec"]["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


@pytest.fixture(scope="module")
def unit_tests() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "monitoring" / "alerts-test.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_alerts_are_those_that_were_asked_for(alerts: dict[str, Any]) -> None:
    assert alerts.keys() == _EXPECTED


def test_the_rule_file_is_what_is_below_spec(resource: dict[str, Any]) -> None:
    assert yaml.safe_load(rule_file(ALERTS.read_text(encoding="utf-8"))) == resource["spec"]


def test_the_operator_takes_the_resource(resource: dict[str, Any]) -> None:
    try:
        assert problems(resource) == []
    except DefinitionMissing as missing:
        skip(str(missing))


def test_each_alert_says_what_is_wrong_and_where_to_read_on(alerts: dict[str, dict[str, Any]]) -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(headings) == alerts.keys()
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"


def test_each_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        name = section.split("\n")[0]
        for part in ("**It means**", "**Look at**", "**Do**", "**Tried**"):
            assert section.count(part) == 1, f"{name}: {part}"


def test_only_metrics_are_asked_for_that_exist(
    resource: dict[str, Any], documented: Documented, samples: dict[str, str]
) -> None:
    asked = set(re.findall(r"\b(?:clickstream|kafka|kube|strimzi)_[a-z0-9_]+", str(resource["spec"])))
    buckets = {f"{name}_bucket" for name, (kind, _) in documented.items() if kind == "histogram"}
    others = {
        line.split("{")[0].split(" ")[0] for text in samples.values() for line in text.splitlines() if line[0] != "#"
    }
    known = documented.keys() | buckets | others

    assert asked - known == set()


def test_each_alert_is_tried_firing_and_silent(alerts: dict[str, Any], unit_tests: dict[str, Any]) -> None:
    tried = [case for each in unit_tests["tests"] for case in each.get("alert_rule_test", [])]

    assert {case["alertname"] for case in tried if case.get("exp_alerts")} == alerts.keys()
    assert {case["alertname"] for case in tried if not case.get("exp_alerts")} == alerts.keys()


def test_each_alert_says_in_which_namespace(unit_tests: dict[str, Any]) -> None:
    tried = [case for each in unit_tests["tests"] for case in each.get("alert_rule_test", [])]
    for case in tried:
        for expected in case.get("exp_alerts", []):
            assert "namespace" in expected["exp_labels"], f"{case['alertname']}: Alertmanager groups and inhibits by it"


def _promtool_test(directory: Path, alerts: str, tests: str) -> tuple[int, str]:
    (directory / "alerts-rules.yaml").write_text(rule_file(alerts), encoding="utf-8")
    (directory / "alerts-test.yaml").write_text(tests, encoding="utf-8")
    done = run_tool("promtool", "test", "rules", directory / "alerts-test.yaml")
    return done.returncode, done.stdout


def test_the_rules_do_what_is_expected(tmp_path: Path) -> None:
    tests = (ROOT / "monitoring" / "alerts-test.yaml").read_text(encoding="utf-8")

    status, output = _promtool_test(tmp_path, ALERTS.read_text(encoding="utf-8"), tests)

    assert status == 0, output


@pytest.mark.parametrize("alert", sorted(_EXPECTED))
def test_the_rule_tests_notice_an_alert_that_never_fires(
    alert: str, unit_tests: dict[str, Any], tmp_path: Path
) -> None:
    broken = re.sub(
        rf"(- alert: {alert}\n +expr: ).*?(\n +(?:for|labels):)",
        r"\1vector(0) > 1\2",
        ALERTS.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    its_own = [each for each in unit_tests["tests"] if _expects(alert, each)]

    status, output = _promtool_test(tmp_path, broken, yaml.safe_dump(unit_tests | {"tests": its_own}))

    assert status != 0
    assert f"alertname: {alert}" in output, output


def _expects(alert: str, test: dict[str, Any]) -> bool:
    return any(case["alertname"] == alert and case.get("exp_alerts") for case in test.get("alert_rule_test", []))
