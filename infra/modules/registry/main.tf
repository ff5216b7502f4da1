# A repository for each image. `make images REGISTRY=$(terraform output -raw registry)` names them NAME/clickstream-APP.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account  = data.aws_caller_identity.current.account_id
  region   = data.aws_region.current.name
  host     = "${local.account}.dkr.ecr.${local.region}.${data.aws_partition.current.dns_suffix}"
  registry = "${local.host}/${var.name}"
}

resource "aws_ecr_repository" "this" {
  for_each = var.apps

  name                 = "${var.name}/clickstream-${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete
  tags                 = var.tags

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = var.kms_key_arn == null ? "AES256" : "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Images without a tag"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = var.untagged_days
        }
        action = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The oldest of too many images"
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.kept_images
        }
        action = { type = "expire" }
      },
    ]
  })
}

# Lambda fetches the image itself, when a function is made or changed and again after weeks without a call.
data "aws_iam_policy_document" "lambda" {
  statement {
    sid     = "LambdaFetchesImages"
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:lambda:${local.region}:${local.account}:function:*"]
    }
  }
}

resource "aws_ecr_repository_policy" "lambda" {
  for_each = { for app, repository in aws_ecr_repository.this : app => repository if endswith(app, "-lambda") }

  repository = each.value.name
  policy     = data.aws_iam_policy_document.lambda.json
}
