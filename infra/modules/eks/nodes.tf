# Managed node groups: one in each zone for Kafka alone, so that every zone always has room for its broker and its
# volume, and one over all zones for the rest.

locals {
  ami_type = { amd64 = "AL2023_x86_64_STANDARD", arm64 = "AL2023_ARM_64_STANDARD" }[var.architecture]
  disk_gib = { kafka = var.kafka_nodes.disk_gib, apps = var.apps_nodes.disk_gib }
}

resource "aws_iam_role" "node" {
  name = "${var.name}-eks-node"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset([
    "AmazonEKSWorkerNodePolicy",          # join the cluster
    "AmazonEKS_CNI_Policy",               # give pods addresses
    "AmazonEC2ContainerRegistryPullOnly", # pull images
  ])

  role       = aws_iam_role.node.name
  policy_arn = "${local.policies}/${each.value}"
}

resource "aws_launch_template" "node" {
  for_each = local.disk_gib

  name                   = "${var.name}-eks-${each.key}"
  update_default_version = true

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = each.value
      encrypted             = "true"
      delete_on_termination = "true"
    }
  }

  # With one hop pods don't reach the node's role; theirs come from pod identity.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])
    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = "${var.name}-${each.key}" })
    }
  }

  tags = var.tags
}

resource "aws_eks_node_group" "kafka" {
  for_each = var.subnets

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "kafka-${each.key}"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [each.value]
  version         = var.kubernetes_version
  ami_type        = local.ami_type
  instance_types  = var.kafka_nodes.instance_types
  labels          = { dedicated = "kafka" }

  # strimzi/overlays/eks prefers this label and tolerates this taint.
  taint {
    key    = "dedicated"
    value  = "kafka"
    effect = "NO_SCHEDULE"
  }

  launch_template {
    id      = aws_launch_template.node["kafka"].id
    version = aws_launch_template.node["kafka"].latest_version
  }

  scaling_config {
    min_size     = var.kafka_nodes.per_zone
    desired_size = var.kafka_nodes.per_zone
    max_size     = var.kafka_nodes.per_zone + 1
  }

  update_config {
    max_unavailable = 1
  }

  tags = var.tags

  # A node is Ready once it has a network, and leaves in order while it still has rights.
  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.before_nodes]
}

resource "aws_eks_node_group" "apps" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "apps"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = values(var.subnets)
  version         = var.kubernetes_version
  ami_type        = local.ami_type
  instance_types  = var.apps_nodes.instance_types
  capacity_type   = var.apps_nodes.capacity_type

  launch_template {
    id      = aws_launch_template.node["apps"].id
    version = aws_launch_template.node["apps"].latest_version
  }

  scaling_config {
    min_size     = var.apps_nodes.count
    desired_size = var.apps_nodes.count
    max_size     = var.apps_nodes.count + 1
  }

  update_config {
    max_unavailable = 1
  }

  tags = var.tags

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.before_nodes]
}
