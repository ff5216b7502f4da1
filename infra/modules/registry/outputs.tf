output "registry" {
  description = "The registry with its namespace: REGISTRY of `make images`, --image-registry of setup.sh."
  value       = local.registry
}

output "repository_urls" {
  description = "The repository of each app, without a tag."
  value       = { for app, repository in aws_ecr_repository.this : app => repository.repository_url }
}

output "login_command" {
  description = "Logs docker in (podman and buildah take the same options) for 12 hours."
  value       = "aws ecr get-login-password --region ${local.region} | docker login --username AWS --password-stdin ${local.host}"
}

output "push_command" {
  description = "Builds all images and pushes them; TAG is the version, see `make images ARGS=--help`."
  value       = "make images REGISTRY=${local.registry} ARGS=--push"
}
