# What Kafka Connect's sink and the jobs of clickstream-archive may do: one policy, as both read and write the tables.

locals {
  glue = "arn:${local.partition}:glue:${local.region}:${local.account}"
}

data "aws_iam_policy_document" "connect" {
  statement {
    sid       = "FindObjects"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.this.arn]
  }

  statement {
    sid       = "ReadAndWriteFiles"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.this.arn}/*"]
  }

  statement {
    sid = "ReadAndCommitTables"
    actions = [
      "glue:GetDatabase",
      "glue:GetDatabases",
      # Asked for before a table is made, although the database is there; Glue answers that it is.
      "glue:CreateDatabase",
      "glue:GetTable",
      "glue:GetTables",
      "glue:CreateTable",
      "glue:UpdateTable",
    ]
    resources = [
      "${local.glue}:catalog",
      "${local.glue}:database/${aws_glue_catalog_database.this.name}",
      "${local.glue}:table/${aws_glue_catalog_database.this.name}/*",
    ]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "EncryptAndDecrypt"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "connect" {
  name        = "${var.name}-archive"
  description = "Kafka Connect and clickstream-archive: the archive's bucket and its tables in Glue"
  policy      = data.aws_iam_policy_document.connect.json
  tags        = var.tags
}

data "aws_iam_policy_document" "pods" {
  statement {
    sid     = "PodIdentity"
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "connect" {
  name               = "${var.name}-archive"
  description        = "Pods of Kafka Connect and clickstream-archive, by EKS pod identity"
  assume_role_policy = data.aws_iam_policy_document.pods.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "connect" {
  role       = aws_iam_role.connect.name
  policy_arn = aws_iam_policy.connect.arn
}
