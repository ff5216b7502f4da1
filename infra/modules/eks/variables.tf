variable "name" {
  description = "Name of the cluster, and the beginning of all other names."
  type        = string
  default     = "clickstream"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: 2 to 24 lower case letters, digits and hyphens, beginning with a letter."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes, such as 1.34. Strimzi says which versions it supports."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.(3[0-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version: 1.30 or newer, without a patch version, such as 1.34."
  }
}

variable "vpc_id" {
  description = "The network's id."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id: the id of a VPC, such as vpc-0a1b2c3d."
  }
}

variable "subnets" {
  description = "The private subnet of each of three zones, by the zone's name."
  type        = map(string)

  validation {
    condition     = length(var.subnets) == 3
    error_message = "subnets: three zones, each with the id of a private subnet."
  }
}

variable "api_public_cidrs" {
  description = "Networks that may reach the API from the internet, such as [\"203.0.113.7/32\"]. Empty: it has no public address."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.api_public_cidrs : can(cidrhost(each, 0)) && !endswith(each, "/0")])
    error_message = "api_public_cidrs: IPv4 networks such as 203.0.113.7/32, and not the whole internet."
  }
}

variable "api_private_cidrs" {
  description = "Networks that may reach the API inside the network, such as a VPN's. Nodes and pods always may."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.api_private_cidrs : can(cidrhost(each, 0)) && !endswith(each, "/0")])
    error_message = "api_private_cidrs: IPv4 networks such as 10.8.0.0/16."
  }
}

variable "access" {
  description = "Who else may use the cluster, by a name of yours: an IAM role or user, one of EKS' access policies, and the namespaces it is for (all)."
  type = map(object({
    principal_arn = string
    policy        = optional(string, "AmazonEKSClusterAdminPolicy")
    namespaces    = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for each in values(var.access) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", each.principal_arn))])
    error_message = "access: principal_arn is the ARN of an IAM role or user, not of a session."
  }

  validation {
    condition     = alltrue([for each in values(var.access) : can(regex("^AmazonEKS[A-Za-z]+Policy$", each.policy))])
    error_message = "access: policy is one of EKS' access policies, such as AmazonEKSViewPolicy."
  }

  validation {
    condition     = length(distinct([for each in values(var.access) : each.principal_arn])) == length(var.access)
    error_message = "access: each principal_arn once."
  }
}

variable "kafka_nodes" {
  description = "The nodes for Kafka alone, in a group for each zone: a broker and a controller take 1.25 CPUs and 5 GiB of one."
  type = object({
    instance_types = optional(list(string), ["m7i.large"])
    per_zone       = optional(number, 1)
    disk_gib       = optional(number, 50)
  })
  default = {}

  validation {
    condition     = var.kafka_nodes.per_zone >= 1 && var.kafka_nodes.per_zone <= 10 && floor(var.kafka_nodes.per_zone) == var.kafka_nodes.per_zone
    error_message = "kafka_nodes: per_zone is 1 to 10."
  }

  validation {
    condition     = length(var.kafka_nodes.instance_types) > 0 && var.kafka_nodes.disk_gib >= 20
    error_message = "kafka_nodes: at least one instance type, and disk_gib 20 or more."
  }
}

variable "apps_nodes" {
  description = "The nodes for everything else, in one group over all zones."
  type = object({
    instance_types = optional(list(string), ["m7i.large"])
    count          = optional(number, 3)
    disk_gib       = optional(number, 50)
    capacity_type  = optional(string, "ON_DEMAND")
  })
  default = {}

  validation {
    condition     = var.apps_nodes.count >= 2 && var.apps_nodes.count <= 100 && floor(var.apps_nodes.count) == var.apps_nodes.count
    error_message = "apps_nodes: count is 2 to 100."
  }

  validation {
    condition     = length(var.apps_nodes.instance_types) > 0 && var.apps_nodes.disk_gib >= 20
    error_message = "apps_nodes: at least one instance type, and disk_gib 20 or more."
  }

  validation {
    condition     = contains(["ON_DEMAND", "SPOT"], var.apps_nodes.capacity_type)
    error_message = "apps_nodes: capacity_type is ON_DEMAND or SPOT."
  }
}

variable "architecture" {
  description = "Processors of all nodes: amd64, or arm64 with instance types of Graviton (m7g.large) and images for it."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "architecture: amd64 or arm64."
  }
}

variable "addon_versions" {
  description = "Versions of add-ons, such as { vpc-cni = \"v1.20.4-eksbuild.2\" }. Others are EKS' default of the moment they are made."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for each in keys(var.addon_versions) : contains(
      ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver"], each
    )])
    error_message = "addon_versions: vpc-cni, kube-proxy, coredns, eks-pod-identity-agent and aws-ebs-csi-driver have versions."
  }
}

variable "archive" {
  description = "Where the archive goes: bucket, its region, and the role for Kafka Connect and the archive's jobs. null without an archive."
  type = object({
    bucket    = string
    region    = string
    role_arn  = string
    namespace = optional(string, "kafka")
  })
  default = null
}

variable "load_balancer_controller" {
  description = "Whether the AWS Load Balancer Controller, which an Ingress or Gateway of class ALB needs, gets its role."
  type        = bool
  default     = true
}

variable "image_registry" {
  description = "Where the images are, for the output setup_command."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the control plane's logs."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of CloudWatch's, such as 7, 14, 30, 90 or 365."
  }
}

variable "log_types" {
  description = "Which of the control plane's logs are kept."
  type        = list(string)
  default     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  validation {
    condition     = length(var.log_types) > 0 && alltrue([for each in var.log_types : contains(["api", "audit", "authenticator", "controllerManager", "scheduler"], each)])
    error_message = "log_types: at least one of api, audit, authenticator, controllerManager and scheduler."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
