output "bucket" {
  description = "Name of the bucket: --archive-bucket of setup.sh."
  value       = aws_s3_bucket.this.id

  # What uses the bucket finds it locked down.
  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "warehouse" {
  description = "WAREHOUSE of the connector and of clickstream-archive."
  value       = "s3://${aws_s3_bucket.this.id}"
}

output "region" {
  description = "S3_REGION of both, --archive-region of setup.sh."
  value       = local.region
}

output "glue_database" {
  description = "The Glue database of the tables, which Athena lists."
  value       = aws_glue_catalog_database.this.name
}

output "connect_policy_arn" {
  description = "Policy for what reads and writes the archive."
  value       = aws_iam_policy.connect.arn
}

output "connect_role_arn" {
  description = "Role with that policy, for EKS pod identity: service accounts clickstream-connect-connect and clickstream-archive."
  value       = aws_iam_role.connect.arn

  depends_on = [aws_iam_role_policy_attachment.connect]
}

output "archive_environment" {
  description = "Settings of clickstream-archive for this archive, as shell assignments."
  value       = "CATALOG_TYPE=glue WAREHOUSE=s3://${aws_s3_bucket.this.id} S3_REGION=${local.region}"
}

output "setup_options" {
  description = "What to add to ./setup.sh on a cluster whose pods have the role."
  value       = "--archive --archive-bucket ${aws_s3_bucket.this.id} --archive-region ${local.region}"
}
