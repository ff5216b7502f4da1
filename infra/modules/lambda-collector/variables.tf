variable "name" {
  type        = string
  default     = "clickstream"
  description = "Prefix of all names: the function is NAME-collector."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: expected 2 to 24 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

# The function

variable "image_uri" {
  type        = string
  description = "The function's image in ECR, with its tag or digest (docs/lambda.md builds it)."

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/.+(:|@sha256:)[A-Za-z0-9_.-]+$", var.image_uri))
    error_message = "image_uri: expected ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, in the function's region; Lambda runs images of ECR alone."
  }
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "x86_64, or arm64 for an image that was built for Graviton."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: expected x86_64 or arm64."
  }
}

variable "memory_mb" {
  type        = number
  default     = 512
  description = "Memory of an execution environment. It uses 100; its share of a CPU, and so the cold start, depends on the rest."

  validation {
    condition     = var.memory_mb >= 256 && var.memory_mb <= 10240
    error_message = "memory_mb: expected 256 to 10240."
  }
}

variable "reserved_concurrency" {
  type        = number
  default     = 50
  description = "How many requests are answered at a time. Each environment holds one or two connections to each broker."

  validation {
    condition     = var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency: expected a whole number from 1; without a bound, an outage of Kafka takes all of the account's."
  }
}

variable "environment" {
  type        = map(string)
  default     = {}
  description = "More settings of the collector, such as { SITE_KEYS = \"shop\" } (clickstream-collector --help)."

  validation {
    condition = length(setintersection(keys(var.environment), [
      "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "VISITOR_SECRET", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL",
      "KAFKA_SASL_MECHANISM", "ALLOWED_ORIGINS", "SECRET_ARNS",
    ])) == 0
    error_message = "environment: user, password and VISITOR_SECRET belong in the secret; the brokers and ALLOWED_ORIGINS have variables of their own."
  }
}

variable "xray" {
  type        = bool
  default     = false
  description = "Whether X-Ray traces requests."
}

# Kafka, and the way to it

variable "bootstrap_servers" {
  type        = string
  description = "Kafka's brokers, HOST:PORT, several with commas."

  validation {
    condition     = can(regex("^[^,: ]+:[0-9]+(,[^,: ]+:[0-9]+)*$", var.bootstrap_servers))
    error_message = "bootstrap_servers: expected HOST:PORT, several separated by commas without spaces."
  }
}

variable "security_protocol" {
  type        = string
  default     = "SASL_SSL"
  description = "SASL_SSL, SASL_PLAINTEXT, SSL or PLAINTEXT."

  validation {
    condition     = contains(["SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT"], var.security_protocol)
    error_message = "security_protocol: expected SASL_SSL, SASL_PLAINTEXT, SSL or PLAINTEXT."
  }
}

variable "sasl_mechanism" {
  type        = string
  default     = "SCRAM-SHA-512"
  description = "SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN; without effect unless the protocol has SASL."

  validation {
    condition     = contains(["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"], var.sasl_mechanism)
    error_message = "sasl_mechanism: expected SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN."
  }
}

variable "vpc_id" {
  type        = string
  description = "The VPC of Kafka, or one that is connected with it."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets for the function, each in another zone, best two or more. They need no route to the internet."

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids: expected at least one subnet."
  }
}

variable "kafka_port" {
  type        = number
  default     = 9093
  description = "The brokers' port (Amazon MSK with SCRAM: 9096)."

  validation {
    condition     = var.kafka_port >= 1 && var.kafka_port <= 65535
    error_message = "kafka_port: expected 1 to 65535."
  }
}

variable "kafka_security_groups" {
  type        = map(string)
  default     = {}
  description = "Security groups of brokers that the function may reach, by a name of yours: { kafka = \"sg-0a1b2c3d\" }."
}

variable "kafka_cidr_blocks" {
  type        = set(string)
  default     = []
  description = "Networks of brokers that the function may reach, for brokers without a security group in this VPC."

  validation {
    condition     = alltrue([for block in var.kafka_cidr_blocks : can(cidrhost(block, 0)) && !endswith(block, "/0")])
    error_message = "kafka_cidr_blocks: expected networks such as 10.0.0.0/16, not all addresses."
  }
}

# The secret

variable "create_secret" {
  type        = bool
  default     = true
  description = "Whether to make an empty secret for user, password and visitor_secret; the output put_secret_command fills it."
}

variable "secret_arns" {
  type        = list(string)
  default     = []
  description = "Secrets that are there, each a JSON object with some of username, password, visitor_secret, ca_certificate."
}

variable "secret_kms_key_arn" {
  type        = string
  default     = null
  description = "KMS key of the secrets; null is the account's key for Secrets Manager."

  validation {
    condition     = var.secret_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.secret_kms_key_arn))
    error_message = "secret_kms_key_arn: expected the ARN of a KMS key, or null."
  }
}

variable "secret_recovery_days" {
  type        = number
  default     = 7
  description = "Days for which a destroyed secret can be restored and its name can't be used again; 0 for none."

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days: expected 0, or 7 to 30."
  }
}

variable "secrets_endpoint" {
  type        = bool
  default     = true
  description = "Whether the function reaches Secrets Manager by a VPC endpoint; false needs subnets with a NAT gateway."
}

# The API

variable "allowed_origins" {
  type        = list(string)
  description = "Whose pages may send events: [\"https://shop.example.com\", \"https://*.example.com\"], or [\"*\"]."

  validation {
    condition     = length(var.allowed_origins) > 0 && alltrue([for origin in var.allowed_origins : can(regex("^(\\*|https?://(\\*\\.)?[^/\\s?#@*,]+)$", origin))])
    error_message = "allowed_origins: expected *, or origins such as https://shop.example.com or https://*.example.com, without a path."
  }
}

variable "throttling_rate" {
  type        = number
  default     = 1000
  description = "Requests per second that the API takes; 429 beyond that."

  validation {
    condition     = var.throttling_rate >= 1
    error_message = "throttling_rate: expected 1 or more."
  }
}

variable "throttling_burst" {
  type        = number
  default     = 1000
  description = "Requests that may come at once."

  validation {
    condition     = var.throttling_burst >= 1
    error_message = "throttling_burst: expected 1 or more."
  }
}

# Logs and alarms

variable "log_retention_days" {
  type        = number
  default     = 30
  description = "Days for which CloudWatch keeps the logs of the function and of the API."

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days: expected a number that CloudWatch takes, such as 7, 14, 30, 90 or 365."
  }
}

variable "log_kms_key_arn" {
  type        = string
  default     = null
  description = "KMS key of the logs, whose policy has to admit CloudWatch Logs; null is CloudWatch's own."

  validation {
    condition     = var.log_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:", var.log_kms_key_arn))
    error_message = "log_kms_key_arn: expected the ARN of a KMS key, or null."
  }
}

variable "alarm_actions" {
  type        = list(string)
  default     = []
  description = "What alarms call, such as the ARN of an SNS topic. Without any they only change their state."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of every resource."
}
