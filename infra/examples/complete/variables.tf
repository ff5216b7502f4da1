variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: one of AWS's, such as eu-central-1."
  }
}

variable "name" {
  description = "Name of the cluster, and the beginning of all other names."
  type        = string
  default     = "clickstream"
}

variable "api_public_cidrs" {
  description = "Networks that may reach the cluster's API from the internet: yours, such as [\"203.0.113.7/32\"]. Empty: only from inside the network."
  type        = list(string)
  default     = []
}

variable "api_private_cidrs" {
  description = "Networks that may reach the cluster's API inside the network, such as a VPN's."
  type        = list(string)
  default     = []
}

variable "access" {
  description = "Who else may use the cluster (modules/eks)."
  type = map(object({
    principal_arn = string
    policy        = optional(string, "AmazonEKSClusterAdminPolicy")
    namespaces    = optional(list(string), [])
  }))
  default = {}
}

variable "nat_gateways" {
  description = "1, or 3 so that a zone that fails takes no other zone's way out with it."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 3], var.nat_gateways)
    error_message = "nat_gateways: 1 or 3."
  }
}

variable "disposable" {
  description = "Whether destroy removes images and what is archived too."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
