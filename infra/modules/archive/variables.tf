variable "name" {
  type        = string
  default     = "clickstream"
  description = "Prefix of the bucket's, the policy's and the role's names."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: expected 2 to 24 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "bucket" {
  type        = string
  default     = null
  description = "Name of the bucket; null is NAME-archive-ACCOUNT-REGION."

  validation {
    condition     = var.bucket == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket: expected 3 to 63 lower-case letters, digits and hyphens; dots break TLS with S3's names."
  }
}

variable "force_destroy" {
  type        = bool
  default     = false
  description = "Whether `terraform destroy` deletes what is archived, all versions of it."
}

variable "infrequent_access_after_days" {
  type        = number
  default     = 30
  description = "Days after which data files move to Standard-IA; null leaves them. S3 allows no fewer than 30."

  validation {
    condition     = var.infrequent_access_after_days == null ? true : var.infrequent_access_after_days >= 30
    error_message = "infrequent_access_after_days: expected 30 or more, or null."
  }
}

variable "glacier_after_days" {
  type        = number
  default     = 90
  description = "Days after which data files move to Glacier Instant Retrieval, which is read like any object; null leaves them."

  validation {
    condition     = var.glacier_after_days == null ? true : var.glacier_after_days >= 60
    error_message = "glacier_after_days: expected 60 or more, or null."
  }
}

variable "noncurrent_days" {
  type        = number
  default     = 30
  description = "Days for which a deleted or replaced object can be restored."

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days: expected a whole number from 1."
  }
}

variable "kms_key_arn" {
  type        = string
  default     = null
  description = "KMS key that encrypts the objects; null is S3's own key (AES-256)."

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn: expected the ARN of a KMS key, or null."
  }
}

variable "access_log_bucket" {
  type        = string
  default     = null
  description = "A bucket of yours that takes S3's access logs, under NAME-archive/; null for none."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of every resource."
}
