"""./setup.sh --archive: every event, result and dead letter in Iceberg tables in the cluster, and the proof."""

import json
from typing import Any

import pytest

from cluster.archiving import ARCHIVE, commit_every, run_job
from cluster.installation import Installation
from kit.poll import eventually


def verified(installation: Installation) -> tuple[int, dict[str, Any]]:
    """The exit status of the verification, and what it found."""
    status, printed = run_job(installation, "verify", "--json")
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    assert lines, f"exit status {status}: {printed}"
    return status, json.loads(lines[-1])


def test_setup_makes_a_ready_archive_and_says_what_to_look_at(archiving: Installation) -> None:
    for each in ("KafkaConnect clickstream-connect", f"KafkaConnector {ARCHIVE}", ARCHIVE):
        assert f"  {each} is Ready\n" in archiving.printed
    assert f"--from=cronjob/{ARCHIVE}-verify -n {archiving.namespace}" in archiving.printed


def test_what_is_archived_is_complete_and_every_result_equals_the_recount(archiving: Installation) -> None:
    commit_every(archiving, 10)

    def judged() -> dict[str, Any]:
        status, found = verified(archiving)
        assert (status, found["complete"], found["equal"]) == (0, True, True), found
        assert sum(each["equal"] for each in found["groups"]) >= 2, f"too few windows could be judged: {found}"
        return found

    found = eventually(judged, deadline_seconds=240, every=5)
    assert {each["topic"] for each in found["partitions"]} >= {"clickstream-events", "clickstream-metrics"}
    assert found["kafka"] is None, "the topics were asked too"


def test_helm_test_passes(archiving: Installation) -> None:
    printed = archiving.helm("test", ARCHIVE, "--timeout=5m")
    assert "Phase:          Succeeded" in printed


@pytest.mark.parametrize("command", ["compact", "report"])
def test_the_other_jobs_end_with_success(archiving: Installation, command: str) -> None:
    arguments = {"compact": ("--json",), "report": ("--day", "today", "--json")}
    status, printed = run_job(archiving, command, *arguments[command])
    assert status == 0, printed
