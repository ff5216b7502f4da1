output "kubeconfig_command" {
  description = "1. Makes the cluster kubectl's current context."
  value       = module.eks.kubeconfig_command
}

output "storage_class" {
  description = "2. The encrypted default class gp3: terraform output -raw storage_class | kubectl apply -f -"
  value       = module.eks.storage_class
}

output "login_command" {
  description = "3. Logs docker in to the registry."
  value       = module.registry.login_command
}

output "push_command" {
  description = "4. Builds the images and pushes them."
  value       = module.registry.push_command
}

output "setup_command" {
  description = "5. Installs Strimzi, Kafka and Clickstream with its archive."
  value       = module.eks.setup_command
}

output "load_balancer_controller_command" {
  description = "For a collector that browsers reach: installs the AWS Load Balancer Controller."
  value       = module.eks.load_balancer_controller_command
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = module.eks.cluster_name
}

output "registry" {
  description = "REGISTRY of make images, --image-registry of setup.sh."
  value       = module.registry.registry
}

output "bucket" {
  description = "The archive's bucket."
  value       = module.archive.bucket
}

output "glue_database" {
  description = "The archive's database in AWS Glue, which Athena lists."
  value       = module.archive.glue_database
}

output "nat_addresses" {
  description = "Under these addresses nodes and pods appear on the internet."
  value       = module.network.nat_addresses
}
