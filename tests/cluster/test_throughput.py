"""./setup.sh --throughput-test beside the usual events; the other tests recount the windows that hold its own."""

from cluster.commands import run
from cluster.installation import PROCESSOR, Installation


def test_a_throughput_test_prints_what_it_measured_and_leaves_nothing(installation: Installation) -> None:
    def state() -> list[str]:
        replicas = "-o=custom-columns=:.metadata.name,:.spec.replicas,:.metadata.annotations"
        installed = installation.helm("list", "--all", "--output", "json")
        return [installed, installation.kubectl("get", "jobs,deployments", "--no-headers", replicas)]

    before = state()
    place = f"--namespace={installation.namespace}"
    printed = run("./setup.sh", place, "--throughput-test=500", "--duration=10s", "--replicas=2")
    rows = [line.split() for line in printed.splitlines() if line.endswith("MiB")]
    assert [row[-4].rpartition("-")[0].rpartition("-")[0] for row in rows[:2]] == [PROCESSOR, PROCESSOR], printed
    sent, counted = float(rows[0][1]), float(rows[0][2].replace(",", ""))
    # A busy machine sends less than was asked for, and says so.
    assert (0 < sent < 600, counted > 0) == (True, True), printed
    assert state() == before
    installation.wait_until_ready(PROCESSOR)
