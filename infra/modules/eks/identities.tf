# Which service account of the cluster acts under which role, by EKS Pod Identity: no keys, and no rights of the node.

locals {
  archive_accounts = var.archive == null ? [] : ["clickstream-connect-connect", "clickstream-archive"]

  identities = merge(
    {
      volumes = {
        namespace       = "kube-system"
        service_account = "ebs-csi-controller-sa"
        role_arn        = aws_iam_role.volumes.arn
      }
    },
    var.load_balancer_controller ? {
      load-balancers = {
        namespace       = "kube-system"
        service_account = "aws-load-balancer-controller"
        role_arn        = one(aws_iam_role.load_balancers[*].arn)
      }
    } : {},
    {
      for account in local.archive_accounts : account => {
        namespace       = var.archive.namespace
        service_account = account
        role_arn        = var.archive.role_arn
      }
    },
  )

  for_pods = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.identities

  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = each.value.role_arn

  tags = var.tags
}

resource "aws_iam_role" "volumes" {
  name               = "${var.name}-eks-volumes"
  assume_role_policy = local.for_pods

  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "volumes" {
  role       = aws_iam_role.volumes.name
  policy_arn = "${local.policies}/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_iam_role" "load_balancers" {
  count = var.load_balancer_controller ? 1 : 0

  name               = "${var.name}-eks-load-balancers"
  assume_role_policy = local.for_pods

  tags = var.tags
}

resource "aws_iam_role_policy" "load_balancers" {
  count = var.load_balancer_controller ? 1 : 0

  name   = "load-balancers"
  role   = aws_iam_role.load_balancers[0].id
  policy = local.load_balancers_policy
}
