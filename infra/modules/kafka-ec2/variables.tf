variable "name" {
  type        = string
  default     = "clickstream"
  description = "Prefix of all names: the instance is NAME-kafka."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: expected 2 to 24 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "vpc_id" {
  type        = string
  description = "The VPC of the subnet."
}

variable "subnet_id" {
  type        = string
  description = "A private subnet with a NAT gateway: the first start fetches packages and jars, Session Manager needs it always."
}

variable "instance_type" {
  type        = string
  default     = "t4g.medium"
  description = "Type of the instance: Nitro, at least 4 GiB of memory; Graviton and x86 both do."

  validation {
    condition     = can(regex("^[a-z0-9-]+\\.[a-z0-9-]+$", var.instance_type)) && !can(regex("\\.(nano|micro|small)$|^(t[12]|m[1-4]|c[1-4]|r[34]|i[23]|d2|x1e?)\\.", var.instance_type))
    error_message = "instance_type: expected a Nitro type with at least 4 GiB of memory, such as t4g.medium; broker and Connect need 2.5."
  }
}

variable "volume_gb" {
  type        = number
  default     = 50
  description = "Size of the data volume (gp3) in GB. It outlives the instance, not `terraform destroy`."

  validation {
    condition     = var.volume_gb >= 10 && var.volume_gb <= 16384 && floor(var.volume_gb) == var.volume_gb
    error_message = "volume_gb: expected a whole number from 10 to 16384."
  }
}

variable "port" {
  type        = number
  default     = 9093
  description = "Port of the listener for clients (SCRAM over TLS)."

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && !contains([8083, 9092, 9094], var.port)
    error_message = "port: expected 1024 to 65535, other than 8083, 9092 and 9094, which the instance itself uses."
  }
}

variable "client_security_groups" {
  type        = map(string)
  default     = {}
  description = "Security groups that may connect, by a name of yours: { collector = \"sg-0a1b2c3d\" }."
}

variable "client_cidr_blocks" {
  type        = set(string)
  default     = []
  description = "Networks that may connect, such as [\"10.0.0.0/16\"]."

  validation {
    condition     = alltrue([for block in var.client_cidr_blocks : can(cidrhost(block, 0)) && !endswith(block, "/0")])
    error_message = "client_cidr_blocks: expected networks such as 10.0.0.0/16, never all addresses."
  }
}

variable "https_cidr_blocks" {
  type        = set(string)
  default     = ["0.0.0.0/0"]
  description = "Where the instance may connect to by HTTPS: Amazon Linux' packages, Maven Central, AWS. Neither has fixed addresses."

  validation {
    condition     = length(var.https_cidr_blocks) > 0 && alltrue([for block in var.https_cidr_blocks : can(cidrhost(block, 0))])
    error_message = "https_cidr_blocks: expected at least one network such as 0.0.0.0/0; without any nothing can be installed."
  }
}

variable "archive_bucket" {
  type        = string
  description = "The archive's bucket: output bucket of the module archive, in the same region."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.archive_bucket))
    error_message = "archive_bucket: expected the name of a bucket, without s3://."
  }
}

variable "connect_policy_arn" {
  type        = string
  description = "Policy for the archive's bucket and tables: output connect_policy_arn of the module archive."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/", var.connect_policy_arn))
    error_message = "connect_policy_arn: expected the ARN of a policy."
  }
}

variable "commit_interval_s" {
  type        = number
  default     = 300
  description = "Seconds between two commits of the archive; objects are written that often."

  validation {
    condition     = var.commit_interval_s >= 10 && floor(var.commit_interval_s) == var.commit_interval_s
    error_message = "commit_interval_s: expected a whole number from 10."
  }
}

variable "maven_url" {
  type        = string
  default     = "https://repo1.maven.org/maven2"
  description = "Maven Central or a mirror of it; every jar is held against its SHA-256."

  validation {
    condition     = can(regex("^https://[^\\s\"$`\\\\]+[^/\\s\"$`\\\\]$", var.maven_url))
    error_message = "maven_url: expected https://HOST/PATH without a slash at the end."
  }
}

variable "kms_key_arn" {
  type        = string
  default     = null
  description = "KMS key of the volumes and the secret; null is the account's keys for EBS and Secrets Manager."

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn: expected the ARN of a KMS key, or null."
  }
}

variable "secret_recovery_days" {
  type        = number
  default     = 7
  description = "Days for which the destroyed secret can be restored and its name can't be used again; 0 for none."

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days: expected 0, or 7 to 30."
  }
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of every resource."
}
