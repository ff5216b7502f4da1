# What the instance may do: write the collector's secret, be reached by Session Manager, and fill the archive.

resource "aws_secretsmanager_secret" "this" {
  name                    = local.instance
  description             = "How the collector connects to ${local.instance}; the instance puts it in at its first start"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
  tags                    = var.tags
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "PutTheCollectorsSecret"
    actions   = ["secretsmanager:PutSecretValue"]
    resources = [aws_secretsmanager_secret.this.arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "EncryptTheSecret"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.amazonaws.com"]
      }
    }
  }

  # Systems Manager takes no narrower resource for these. The managed policy AmazonSSMManagedInstanceCore allows more.
  statement {
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role" "this" {
  name               = local.instance
  description        = "The instance of Kafka and Kafka Connect"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "kafka"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_iam_role_policy_attachment" "connect" {
  role       = aws_iam_role.this.name
  policy_arn = var.connect_policy_arn
}

resource "aws_iam_instance_profile" "this" {
  name = local.instance
  role = aws_iam_role.this.name
  tags = var.tags
}
