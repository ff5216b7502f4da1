variable "name" {
  type        = string
  default     = "clickstream"
  description = "Namespace of the repositories: NAME/clickstream-APP."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: expected 2 to 24 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "apps" {
  type = set(string)
  default = [
    "archive", "collector", "consumer", "producer", "scenarios", "statistics", "streams",
    "collector-lambda",
    "connect", "seaweedfs",
  ]
  description = "Apps that get a repository. The default is all that `make images` builds, and the collector for Lambda."

  validation {
    condition     = length(var.apps) > 0 && alltrue([for app in var.apps : can(regex("^[a-z][a-z0-9-]*$", app))])
    error_message = "apps: expected at least one name of lower-case letters, digits and hyphens, such as streams."
  }
}

variable "kept_images" {
  type        = number
  default     = 30
  description = "How many tagged images a repository keeps; the oldest are removed beyond that, in use or not."

  validation {
    condition     = var.kept_images >= 2 && var.kept_images <= 1000 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images: expected a whole number from 2 to 1000."
  }
}

variable "untagged_days" {
  type        = number
  default     = 7
  description = "After how many days an image without a tag is removed, such as the rest of a push that failed."

  validation {
    condition     = var.untagged_days >= 1 && floor(var.untagged_days) == var.untagged_days
    error_message = "untagged_days: expected a whole number from 1."
  }
}

variable "kms_key_arn" {
  type        = string
  default     = null
  description = "KMS key that encrypts the images; null is Amazon's own key (AES-256). A change makes the repositories again."

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn: expected the ARN of a KMS key, or null."
  }
}

variable "force_delete" {
  type        = bool
  default     = false
  description = "Whether `terraform destroy` removes repositories that still hold images."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of every resource."
}
