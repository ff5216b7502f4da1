# The collector as a Lambda function in Kafka's VPC. api.tf has the HTTP API in front of it, secrets.tf its password,
# network.tf the way to Kafka, role.tf its rights, alarms.tf the alarms.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  function  = "${var.name}-collector"

  has_sasl = startswith(var.security_protocol, "SASL_")
  environment = merge(
    var.environment,
    {
      KAFKA_BOOTSTRAP_SERVERS = var.bootstrap_servers
      KAFKA_SECURITY_PROTOCOL = var.security_protocol
      ALLOWED_ORIGINS         = join(",", var.allowed_origins)
      SECRET_ARNS             = join(",", local.secret_arns)
    },
    local.has_sasl ? { KAFKA_SASL_MECHANISM = var.sasl_mechanism } : {},
    local.endpoint_environment,
  )
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local.function}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name = local.function
  description   = "Takes Clickstream events from browsers and sends them to Kafka"
  package_type  = "Image"
  image_uri     = var.image_uri
  architectures = [var.architecture]
  role          = aws_iam_role.this.arn
  memory_size   = var.memory_mb
  # A request is answered within 2 s, also while Kafka is away; a start takes 1 s, or 5 when the secret can't be reached.
  timeout                        = 10
  reserved_concurrent_executions = var.reserved_concurrency
  tags                           = var.tags

  image_config {
    command = ["clickstream_collector.aws_lambda.handler"]
  }

  environment {
    variables = local.environment
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.function.id]
  }

  tracing_config {
    mode = var.xray ? "Active" : "PassThrough"
  }

  # Without its rights it could neither be placed in the VPC nor write its first lines.
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.this]
}
