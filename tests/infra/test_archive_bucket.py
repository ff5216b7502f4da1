"""modules/archive: the bucket and its rights, used by clickstream-archive as they are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clickstream_archive.catalogs import NAMESPACE, open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from kit.archive import DEAD_LETTERS, recorded_pipeline, write_raw
from kit.aws import REGION, Aws
from kit.iam import acting_as, plain_http
from kit.terraform import Applied, Living, Planned, Refused

_STRIMZI = Path(__file__).parents[2] / "strimzi/archive"


@pytest.mark.long
def test_the_archives_commands_work_in_it_with_connects_rights_alone(
    living: Living, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with living("modules/archive", name="shop", force_destroy=True) as made:
        _assert_that_it_is_locked_down_and_fits_the_overlay_glue(made, aws)
        _assert_that_connect_may_touch_this_bucket_and_its_tables_only(made)
        _use(made, aws, monkeypatch)
        _assert_that_data_moves_and_metadata_stays(made, aws)
        tables = aws.client("glue").get_tables(DatabaseName=NAMESPACE)["TableList"]
        assert {each["Name"] for each in tables} >= {"raw", "events"}


def _use(made: Applied, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write, compact, report, ask and verify, with the rights of Connect's policy."""
    place = dict(pair.split("=", 1) for pair in made.outputs["archive_environment"].split())
    (policy,) = made.state.of("aws_iam_policy")
    with plain_http(aws, made.outputs["bucket"]), acting_as(aws, connect=[policy.values["policy"]]) as environ:
        settings = {**environ["connect"], **place, "S3_ENDPOINT": aws.address, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        recorded = recorded_pipeline(events=900)
        catalog = open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))
        write_raw(catalog, sorted(recorded.messages, key=lambda each: each.timestamp), 3)
        valid = 900 - len(recorded.read(DEAD_LETTERS, ""))

        compacted = _archive("compact", "--json", "--record")
        assert compacted["tables"]["events"]["typed_rows"] == valid
        assert _archive("report", "--day", "2026-11-26", "--json")["events"] == valid
        assert _archive("sql", "SELECT count(*) AS n FROM events", "--json") == {"n": valid}
        assert _archive("verify", "--offline", "--json")["complete"] is True


def _archive(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "clickstream_archive.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _assert_that_data_moves_and_metadata_stays(made: Applied, aws: Aws) -> None:
    s3, bucket = aws.client("s3"), made.outputs["bucket"]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    moved = tuple(rule["Filter"]["Prefix"] for rule in rules if "Transitions" in rule)
    for key in keys:
        name = key.split("/")[1]
        if name in ("raw", "events", "metrics", "web_logs", "scenario_results"):
            assert key.startswith(moved) == key.endswith(".parquet"), key
        else:
            assert not key.startswith(moved), key
    assert any(key.startswith(moved) for key in keys)
    classes = {each["StorageClass"] for rule in rules for each in rule.get("Transitions", [])}
    assert classes == {"STANDARD_IA", "GLACIER_IR"}  # both are read like any object


def _assert_that_it_is_locked_down_and_fits_the_overlay_glue(made: Applied, aws: Aws) -> None:
    s3, bucket = aws.client("s3"), made.outputs["bucket"]
    assert bucket == f"shop-archive-123456789012-{REGION}"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert {each["Effect"] for each in statements} == {"Deny"}
    assert {"Bool": {"aws:SecureTransport": "false"}} in [each["Condition"] for each in statements]

    connector = json.loads((_STRIMZI / "connector-glue.json").read_text(encoding="utf-8"))["config"]
    database = connector["iceberg.tables"].partition(".")[0]
    assert made.outputs["glue_database"] == database == NAMESPACE
    found = aws.client("glue").get_database(Name=database)["Database"]
    assert found["LocationUri"] == f"{made.outputs['warehouse']}/{database}.db"
    trust = json.loads(made.state.one("aws_iam_role")["assume_role_policy"])["Statement"]
    assert [each["Principal"] for each in trust] == [{"Service": "pods.eks.amazonaws.com"}]
    assert sorted(trust[0]["Action"]) == ["sts:AssumeRole", "sts:TagSession"]


def _assert_that_connect_may_touch_this_bucket_and_its_tables_only(made: Applied) -> None:
    bucket = made.outputs["bucket_arn"]
    glue = f"arn:aws:glue:{REGION}:123456789012"
    policy = json.loads(made.state.one("aws_iam_policy")["policy"])
    resources = {
        resource
        for each in policy["Statement"]
        for resource in ([each["Resource"]] if isinstance(each["Resource"], str) else each["Resource"])
    }
    assert resources == {
        bucket,
        f"{bucket}/*",
        f"{glue}:catalog",
        f"{glue}:database/clickstream",
        f"{glue}:table/clickstream/*",
    }


def test_logs_and_a_key_of_yours_are_options_and_the_classes_too(planned: Planned) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234"
    plan = planned("modules/archive", kms_key_arn=key, access_log_bucket="my-logs", glacier_after_days=None)

    assert plan.one("aws_s3_bucket_logging")["target_bucket"] == "my-logs"
    (rule,) = plan.one("aws_s3_bucket_server_side_encryption_configuration")["rule"]
    assert rule["bucket_key_enabled"] is True
    assert rule["apply_server_side_encryption_by_default"][0]["kms_master_key_id"] == key
    rules = plan.one("aws_s3_bucket_lifecycle_configuration")["rule"]
    assert {move["storage_class"] for rule in rules for move in rule["transition"]} == {"STANDARD_IA"}


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused) -> None:
    wrong = {
        "name": "s",
        "bucket": "My.Bucket",
        "infrequent_access_after_days": 7,
        "glacier_after_days": 20,
        "noncurrent_days": 0,
        "kms_key_arn": "key",
    }

    text = refused("modules/archive", **wrong)

    for name in wrong:
        assert f"{name}: expected " in text, name
    text = refused("modules/archive", infrequent_access_after_days=60, glacier_after_days=70)
    assert "glacier_after_days: expected at least 30 days more than infrequent_access_after_days" in text
