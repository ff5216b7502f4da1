# The function reads its secrets when it starts, so that no password is in its configuration or in Terraform's state.

locals {
  secret_arns = concat(aws_secretsmanager_secret.this[*].arn, var.secret_arns)

  # The endpoint's own name: others in the VPC reach Secrets Manager as before.
  endpoint_environment = var.secrets_endpoint ? {
    AWS_ENDPOINT_URL_SECRETS_MANAGER = "https://${aws_vpc_endpoint.secrets[0].dns_entry[0].dns_name}"
  } : {}
}

resource "aws_secretsmanager_secret" "this" {
  count = var.create_secret ? 1 : 0

  name                    = local.function
  description             = "Kafka's user and password (username, password), visitor_secret, and ca_certificate if Kafka has its own CA"
  kms_key_id              = var.secret_kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
  tags                    = var.tags
}

data "aws_iam_policy_document" "endpoint" {
  count = var.secrets_endpoint ? 1 : 0

  statement {
    sid       = "TheFunctionReadsItsSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.this.arn]
    }
  }
}

resource "aws_vpc_endpoint" "secrets" {
  count = var.secrets_endpoint ? 1 : 0

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${local.region}.secretsmanager"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoint[0].id]
  private_dns_enabled = false
  policy              = data.aws_iam_policy_document.endpoint[0].json
  tags                = merge(var.tags, { Name = "${local.function}-secrets" })
}
