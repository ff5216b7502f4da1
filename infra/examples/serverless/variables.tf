variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "Region of everything."
}

variable "name" {
  type        = string
  default     = "clickstream"
  description = "Prefix of all names."
}

variable "allowed_origins" {
  type        = list(string)
  description = "Whose pages may send events, such as [\"https://blog.example.com\"]; [\"*\"] for any."
}

variable "image_tag" {
  type        = string
  default     = "0.1.0"
  description = "Tag of the collector's image for Lambda."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "What the image was built for: x86_64 or arm64."
}

variable "instance_type" {
  type        = string
  default     = "t4g.medium"
  description = "Type of Kafka's instance, at least 4 GiB."
}

variable "commit_interval_s" {
  type        = number
  default     = 300
  description = "How often the archive gets objects, in seconds."
}

variable "alarm_actions" {
  type        = list(string)
  default     = []
  description = "What the collector's alarms call, such as an SNS topic."
}

variable "disposable" {
  type        = bool
  default     = false
  description = "Whether `terraform destroy` removes the archive, the images and the secret for good."
}

variable "tags" {
  type        = map(string)
  default     = { project = "clickstream" }
  description = "Tags of every resource."
}
