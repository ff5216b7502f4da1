# The bucket of the archive (strimzi/archive, overlay glue) and the Glue database of its tables.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  bucket    = coalesce(var.bucket, "${var.name}-archive-${local.account}-${local.region}")

  # The connector's and clickstream-archive's own name; it is no setting of theirs.
  database = "clickstream"
  tables   = ["raw", "events", "web_logs", "metrics", "scenario_results"]

  # Where both put a table that they make in a database of Glue.
  data_prefixes = { for table in local.tables : table => "${local.database}.db/${table}/data/" }
  transitions = [for each in [
    { class = "STANDARD_IA", days = var.infrequent_access_after_days },
    { class = "GLACIER_IR", days = var.glacier_after_days },
  ] : each if each.days != null]
}

resource "aws_s3_bucket" "this" {
  bucket        = local.bucket
  force_destroy = var.force_destroy
  tags          = var.tags

  lifecycle {
    precondition {
      condition = (
        var.infrequent_access_after_days == null || var.glacier_after_days == null ? true :
        var.glacier_after_days >= var.infrequent_access_after_days + 30
      )
      error_message = "glacier_after_days: expected at least 30 days more than infrequent_access_after_days, for which S3 bills anyway."
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# Data files alone move: a reader asks for them by hour. Iceberg's metadata is read and replaced with every commit and is
# small, so it stays. Glacier's other classes are not offered: their objects can't be read, and each query of an old hour
# would fail.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  # Objects below 128 KiB cost more in the colder classes than they save.
  transition_default_minimum_object_size = "all_storage_classes_128K"

  dynamic "rule" {
    for_each = length(local.transitions) > 0 ? local.data_prefixes : {}

    content {
      id     = "data-of-${rule.key}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      dynamic "transition" {
        for_each = local.transitions

        content {
          days          = transition.value.days
          storage_class = transition.value.class
        }
      }
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {
      prefix = ""
    }

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "Tls12OrNewer"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_logging" "this" {
  count = var.access_log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.access_log_bucket
  target_prefix = "${var.name}-archive/"
}

resource "aws_glue_catalog_database" "this" {
  name         = local.database
  description  = "Tables of the Clickstream archive (Apache Iceberg)"
  location_uri = "s3://${aws_s3_bucket.this.id}/${local.database}.db"
  tags         = var.tags
}
