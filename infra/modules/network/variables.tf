variable "name" {
  description = "Beginning of all names, such as \"clickstream\"."
  type        = string
  default     = "clickstream"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name: 2 to 24 lower case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the network. A sixteenth of it is each private subnet, where every pod has an address; a 256th each public one."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(contains(range(16, 19), tonumber(split("/", var.cidr)[1])), false)
    error_message = "cidr: an IPv4 network of /16 to /18, such as 10.42.0.0/16."
  }

  validation {
    condition     = try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], true)
    error_message = "cidr: the address must be the network's first, such as 10.42.0.0/16."
  }
}

variable "availability_zones" {
  description = "Three zones of the region; null for the first three that are open to everyone."
  type        = list(string)
  default     = null

  validation {
    condition     = var.availability_zones == null ? true : length(distinct(var.availability_zones)) == 3 && length(var.availability_zones) == 3
    error_message = "availability_zones: three different zones, because a partition has three copies in three zones."
  }
}

variable "nat_gateways" {
  description = "How many NAT gateways the private subnets leave by: 3, one in each zone; or 1, cheaper, and when its zone fails no zone has a way out."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 3], var.nat_gateways)
    error_message = "nat_gateways: 1 or 3."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
