"""The chart of the archive: its jobs, and where the archive is."""

from typing import Any

import pytest

from kit.helm import Charts
from kit.rendered import SOURCE, Object, environment, of_kind, only, rendered

JOBS = {
    "compact": ["compact", "--record"],
    "report": ["report", "--day", "yesterday", "--record"],
    "verify": ["verify", "--record", "--since", "50h"],
}
PROCESSOR = {
    "WINDOW_TIME": "event",
    "OUT_OF_ORDERNESS": "5s",
    "ALLOWED_LATENESS": "1m",
    "IDLE_TIMEOUT": "10s",
    "MAX_CLOCK_SKEW": "1m",
}
"""What the verification recounts by: the processor's own defaults."""
GLUE = str(SOURCE / "clickstream-archive/ci/02-client-certificate-values.yaml")
HDFS = str(SOURCE / "clickstream-archive/ci/04-hdfs-values.yaml")


def jobs(charts: Charts, *arguments: str) -> dict[str, Object]:
    """The specifications of the CronJobs, by what they run."""
    found = of_kind(rendered(charts, "archive", *arguments), "CronJob")
    return {each["metadata"]["name"].removeprefix("clickstream-archive-"): each["spec"] for each in found}


def container(job: Object) -> Any:
    """The container of a CronJob."""
    (found,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return found


def test_the_jobs_run_their_commands_and_record_the_results(charts: Charts) -> None:
    assert {name: container(job)["args"] for name, job in jobs(charts).items()} == JOBS


def test_compaction_is_hourly_and_the_others_are_daily(charts: Charts) -> None:
    fields = {name: job["schedule"].split() for name, job in jobs(charts).items()}
    assert fields["compact"][1:] == ["*", "*", "*", "*"]
    for name in ("report", "verify"):
        assert fields[name][1].isdigit()
        assert fields[name][2:] == ["*", "*", "*"]
    assert len({tuple(each[:1]) for each in fields.values()}) == 3, "not all in the same minute"


def test_a_run_is_the_only_one_of_its_kind_and_a_difference_is_not_looked_at_again(charts: Charts) -> None:
    for job in jobs(charts).values():
        assert job["concurrencyPolicy"] == "Forbid"
        assert job["timeZone"] == "Etc/UTC"
        assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
        assert job["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"
        assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= 3300


def test_a_job_can_be_left_out_and_have_another_schedule(charts: Charts) -> None:
    found = jobs(charts, "--set", "report.enabled=false", "--set-string", "verify.schedule=@weekly")
    assert found.keys() == {"compact", "verify"}
    assert found["verify"]["schedule"] == "@weekly"


@pytest.mark.parametrize(("since", "further"), [("9d", ["--since", "9d"]), ("", [])])
def test_the_verification_looks_at_another_span_or_at_everything(
    charts: Charts, since: str, further: list[str]
) -> None:
    found = jobs(charts, "--set-string", f"verify.since={since}")
    assert container(found["verify"])["args"] == ["verify", "--record", *further]


def test_jobs_have_the_servers_settings_and_a_folder_to_spill_to(charts: Charts) -> None:
    server = only(rendered(charts, "archive"), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    for name, job in jobs(charts, "--set", "spillSize=20Gi").items():
        given = environment(container(job))
        further = given.items() - environment(server).items()
        assert dict(further) == (PROCESSOR if name == "verify" else {})
        assert given["CATALOG_CREDENTIAL"] == "$(AWS_ACCESS_KEY_ID):$(AWS_SECRET_ACCESS_KEY)"
        (volume,) = job["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
        assert volume == {"name": "tmp", "emptyDir": {"sizeLimit": "20Gi"}}
    assert server["args"] == ["serve"]


def test_pods_of_jobs_are_not_the_servers(charts: Charts) -> None:
    objects = rendered(charts, "archive")
    selector = only(objects, "Service")["spec"]["selector"]
    for job in of_kind(objects, "CronJob"):
        labels = job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        assert not selector.items() <= labels.items()
        (policy,) = [
            each
            for each in of_kind(objects, "NetworkPolicy")
            if each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in policy["spec"], "no one asks a job"


def test_pod_identity_needs_no_secret_but_its_agent(charts: Charts) -> None:
    objects = rendered(charts, "archive", "--values", GLUE)
    for job in of_kind(objects, "CronJob"):
        given = environment(container(job["spec"]))
        assert not [name for name in given if name.startswith(("AWS_", "CATALOG_CRED"))]
        assert given["CATALOG_TYPE"] == "glue"
        assert given["S3_ENDPOINT"] == "auto"
        assert "CATALOG_URI" not in given
    for policy in of_kind(objects, "NetworkPolicy")[:2]:
        assert {"ports": [{"port": 443}]} in policy["spec"]["egress"]
        agent = {"ports": [{"port": 80}], "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}]}
        assert agent in policy["spec"]["egress"]


def test_hdfs_has_its_own_ports(charts: Charts) -> None:
    policy = only(rendered(charts, "archive", "--values", HDFS), "NetworkPolicy")
    assert {"ports": [{"port": 8020}, {"port": 9866}]} in policy["spec"]["egress"]


@pytest.mark.parametrize("secret", ["", "catalog-key"])
def test_the_catalogs_credential_is_its_own_or_that_of_s3(charts: Charts, secret: str) -> None:
    (compact,) = [job for name, job in jobs(charts, "--set", f"catalog.secret={secret}").items() if name == "compact"]
    (credential,) = [each for each in container(compact)["env"] if each["name"] == "CATALOG_CREDENTIAL"]
    if secret:
        assert credential["valueFrom"]["secretKeyRef"] == {"name": "catalog-key", "key": "credential"}
    else:
        assert credential["value"] == "$(AWS_ACCESS_KEY_ID):$(AWS_SECRET_ACCESS_KEY)"
