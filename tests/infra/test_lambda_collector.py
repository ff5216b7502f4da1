"""modules/lambda-collector: the function with its API, its way to Kafka, and the rights that it needs."""

import json
from typing import Any

import pytest

from kit.aws import REGION, Aws
from kit.terraform import Living, Planned, Refused

_IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/clickstream/clickstream-collector-lambda:0.1.0"
_BROKERS = "10.42.0.10:9093"


@pytest.fixture
def given(aws: Aws) -> dict[str, Any]:
    """The required variables, with the account's own network."""
    ec2 = aws.client("ec2")
    (network,) = (each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"])
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    return {
        "name": "shop",
        "image_uri": _IMAGE,
        "bootstrap_servers": _BROKERS,
        "vpc_id": network,
        "subnet_ids": subnets,
        "kafka_cidr_blocks": ["10.42.0.0/16"],
        "allowed_origins": ["https://shop.example.com"],
    }


@pytest.mark.long
def test_the_api_calls_the_function_which_reaches_kafka_and_its_secret_only(
    living: Living, aws: Aws, given: dict[str, Any]
) -> None:
    with living("modules/lambda-collector", **given, secret_recovery_days=0) as made:
        function = aws.client("lambda").get_function_configuration(FunctionName="shop-collector")
        assert function["PackageType"] == "Image"
        assert function["TracingConfig"]["Mode"] == "PassThrough"
        environment = function["Environment"]["Variables"]
        assert environment == made.outputs["environment"]
        assert environment["KAFKA_BOOTSTRAP_SERVERS"] == _BROKERS
        assert environment["ALLOWED_ORIGINS"] == "https://shop.example.com"
        assert environment["SECRET_ARNS"] == made.outputs["secret_arn"]
        assert not [name for name in environment if "PASSWORD" in name or name == "VISITOR_SECRET"]

        gateway = aws.client("apigatewayv2")
        (api,) = gateway.get_apis()["Items"]
        assert made.outputs["ingest_url"] == f"{api['ApiEndpoint']}/ingest"
        assert api["CorsConfiguration"]["AllowOrigins"] == ["https://shop.example.com"]
        assert set(api["CorsConfiguration"]["AllowMethods"]) == {"GET", "POST"}
        routes = {each["RouteKey"] for each in gateway.get_routes(ApiId=api["ApiId"])["Items"]}
        assert routes == {"POST /ingest", "GET /pixel.gif", "GET /clickstream.js", "GET /openapi.json"}
        (stage,) = gateway.get_stages(ApiId=api["ApiId"])["Items"]
        assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 1000
        assert "sourceIp" not in stage["AccessLogSettings"]["Format"]
        (integration,) = gateway.get_integrations(ApiId=api["ApiId"])["Items"]
        assert integration["PayloadFormatVersion"] == "2.0"
        statement = json.loads(aws.client("lambda").get_policy(FunctionName="shop-collector")["Policy"])["Statement"][0]
        assert statement["Condition"]["ArnLike"]["AWS:SourceArn"].endswith(f":{api['ApiId']}/*")

        alarms = {each["AlarmName"] for each in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]}
        assert alarms == {f"shop-collector-{each}" for each in ("errors", "throttles", "slow", "refusals")}
        rules = made.state.of("aws_vpc_security_group_egress_rule")
        assert {(each.values["from_port"], each.values["cidr_ipv4"] or "group") for each in rules} == {
            (9093, "10.42.0.0/16"),
            (443, "group"),
        }
        (into,) = made.state.of("aws_vpc_security_group_ingress_rule")
        assert into.values["referenced_security_group_id"] == made.outputs["security_group_id"]  # into the endpoint
        _assert_least_rights(made.state.one("aws_iam_role_policy")["policy"], made.outputs["secret_arn"])


def _assert_least_rights(policy: str, secret: str) -> None:
    statements = {each["Sid"]: each for each in json.loads(policy)["Statement"]}
    assert set(statements) == {"WriteItsLog", "LambdaPlacesItInTheVpc", "NotItsCode", "ReadItsSecrets"}
    assert statements["ReadItsSecrets"]["Resource"] == secret
    assert statements["NotItsCode"]["Effect"] == "Deny"
    assert statements["NotItsCode"]["Action"] == statements["LambdaPlacesItInTheVpc"]["Action"]
    assert statements["WriteItsLog"]["Resource"].endswith(":log-group:/aws/lambda/shop-collector:*")


def test_an_origin_with_subdomains_leaves_preflight_to_the_function(planned: Planned, given: dict[str, Any]) -> None:
    origins = ["https://*.example.com", "https://example.org"]
    plan = planned("modules/lambda-collector", **{**given, "allowed_origins": origins})

    assert plan.one("aws_apigatewayv2_api")["cors_configuration"] == []
    assert "OPTIONS /ingest" in {each.values["route_key"] for each in plan.of("aws_apigatewayv2_route")}


def test_options_are_traces_keys_alarms_and_no_endpoint(planned: Planned, given: dict[str, Any]) -> None:
    topic = f"arn:aws:sns:{REGION}:123456789012:alarms"
    key = f"arn:aws:kms:{REGION}:123456789012:key/1234"
    secret = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:AmazonMSK_shop-a1b2c3"
    plan = planned(
        "modules/lambda-collector",
        **given,
        xray=True,
        alarm_actions=[topic],
        create_secret=False,
        secret_arns=[secret],
        secret_kms_key_arn=key,
        log_kms_key_arn=key,
        secrets_endpoint=False,
        environment={"SITE_KEYS": "shop"},
        _open_to_the_world=("aws_vpc_security_group_egress_rule.secrets",),
    )

    assert plan.one("aws_lambda_function")["tracing_config"] == [{"mode": "Active"}]
    variables = plan.one("aws_lambda_function")["environment"][0]["variables"]
    assert (variables["SITE_KEYS"], variables["SECRET_ARNS"]) == ("shop", secret)
    assert "AWS_ENDPOINT_URL_SECRETS_MANAGER" not in variables
    assert all(each.values["alarm_actions"] == [topic] for each in plan.of("aws_cloudwatch_metric_alarm"))
    assert all(each.values["kms_key_id"] == key for each in plan.of("aws_cloudwatch_log_group"))
    assert plan.of("aws_vpc_endpoint") == plan.of("aws_secretsmanager_secret") == []


def test_what_does_not_fit_is_refused_with_what_is_allowed(refused: Refused, given: dict[str, Any]) -> None:
    wrong = {
        "name": "1shop",
        "image_uri": "docker.io/clickstream-collector:0.1.0",
        "architecture": "amd64",
        "memory_mb": 128,
        "reserved_concurrency": 0,
        "environment": {"KAFKA_SASL_PASSWORD": "secret"},
        "bootstrap_servers": "10.42.0.10",
        "security_protocol": "SASL",
        "sasl_mechanism": "SCRAM",
        "subnet_ids": [],
        "kafka_port": 0,
        "kafka_cidr_blocks": ["0.0.0.0/0"],
        "secret_recovery_days": 3,
        "secret_kms_key_arn": "key",
        "allowed_origins": ["shop.example.com"],
        "throttling_rate": 0,
        "throttling_burst": 0,
        "log_retention_days": 2,
        "log_kms_key_arn": "key",
    }

    text = refused("modules/lambda-collector", **{**given, **wrong})

    for name in wrong:
        expected = "user, password and VISITOR_SECRET belong in the secret" if name == "environment" else "expected"
        assert f"{name}: {expected}" in text, name


def test_a_function_without_brokers_or_a_secret_is_refused(refused: Refused, given: dict[str, Any]) -> None:
    text = refused("modules/lambda-collector", **{**given, "kafka_cidr_blocks": [], "create_secret": False})

    assert "kafka_security_groups, kafka_cidr_blocks: expected at least one" in text
    assert "secret_arns: expected at least one with create_secret = false" in text
