output "registry" {
  description = "REGISTRY of the image's name."
  value       = module.registry.registry
}

output "image" {
  description = "The image that the function runs; build and push it under this name before the second apply."
  value       = "${module.registry.repository_urls["collector-lambda"]}:${var.image_tag}"
}

output "login_command" {
  description = "Logs docker in at the registry."
  value       = module.registry.login_command
}

output "ingest_url" {
  description = "Where events are posted."
  value       = module.collector.ingest_url
}

output "script_tag" {
  description = "The line for your pages."
  value       = module.collector.script_tag
}

output "try_command" {
  description = "Sends one event."
  value       = module.collector.try_command
}

output "logs_command" {
  description = "Follows the function's log."
  value       = module.collector.logs_command
}

output "session_command" {
  description = "Opens a shell on Kafka's instance."
  value       = module.kafka.session_command
}

output "events_command" {
  description = "On the instance: shows the events as they come."
  value       = module.kafka.events_command
}

output "archive_environment" {
  description = "Settings for clickstream-archive on your machine: env $(terraform output -raw archive_environment) clickstream-archive report."
  value       = module.archive.archive_environment
}
