output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "Address of the API."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Certificate of the API's authority, in base64."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "cluster_security_group_id" {
  description = "The group that EKS makes, which nodes and control plane are in: admit it to what the pods must reach."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "node_role_arn" {
  description = "Role of all nodes."
  value       = aws_iam_role.node.arn
}

output "secrets_key_arn" {
  description = "Key of KMS that Kubernetes' secrets are encrypted with."
  value       = aws_kms_key.secrets.arn
}

output "kubeconfig_command" {
  description = "Makes the cluster kubectl's current context."
  value       = "aws eks update-kubeconfig --region ${data.aws_region.here.name} --name ${aws_eks_cluster.this.name}"
}

output "storage_class" {
  description = "The encrypted default class gp3, as a manifest: terraform output -raw storage_class | kubectl apply -f -"
  value       = file("${path.module}/storage-class-gp3.yaml")
}

output "setup_command" {
  description = "Installs Strimzi, Kafka and Clickstream; run it in Clickstream's checkout."
  value = join(" ", compact([
    "./setup.sh --install-operator --with-kafka eks",
    var.image_registry == null ? "" : "--image-registry ${var.image_registry}",
    var.archive == null ? "" : "--archive --archive-bucket ${var.archive.bucket} --archive-region ${var.archive.region}",
  ]))
}

output "load_balancer_controller_command" {
  description = "Installs the AWS Load Balancer Controller; null without its role."
  value = var.load_balancer_controller ? join(" ", [
    "helm upgrade --install aws-load-balancer-controller aws-load-balancer-controller",
    "--repo https://aws.github.io/eks-charts --version 3.5.0 --namespace kube-system",
    "--set clusterName=${aws_eks_cluster.this.name} --set region=${data.aws_region.here.name} --set vpcId=${var.vpc_id}",
    "--set serviceAccount.name=aws-load-balancer-controller",
    "--set enableShield=false --set enableWaf=false --set enableWafv2=false",
  ]) : null
}
