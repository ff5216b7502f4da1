# What the AWS Load Balancer Controller 3.5 may do, without WAF, Shield and Cognito, which the command in
# load_balancer_controller_command turns off. What it makes carries the tag of this cluster, and it changes nothing else
# but listeners, rules and targets, whose ARNs name their load balancer; those of other clusters are told apart by name
# only. (Its documentation has the same list without account, region and cluster: docs/install/iam_policy.json there.)

locals {
  ec2 = "arn:${data.aws_partition.here.partition}:ec2:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}"
  elb = "arn:${data.aws_partition.here.partition}:elasticloadbalancing:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}"

  balancers  = ["${local.elb}:loadbalancer/app/*/*", "${local.elb}:loadbalancer/net/*/*"]
  targets    = "${local.elb}:targetgroup/*/*"
  listeners  = ["${local.elb}:listener/app/*/*/*", "${local.elb}:listener/net/*/*/*"]
  rules      = ["${local.elb}:listener-rule/app/*/*/*", "${local.elb}:listener-rule/net/*/*/*"]
  is_ours    = { StringEquals = { "aws:ResourceTag/elbv2.k8s.aws/cluster" = var.name } }
  gets_ours  = { StringEquals = { "aws:RequestTag/elbv2.k8s.aws/cluster" = var.name } }
  stays_ours = { StringEquals = { "aws:ResourceTag/elbv2.k8s.aws/cluster" = var.name }, Null = { "aws:RequestTag/elbv2.k8s.aws/cluster" = "true" } }

  load_balancers_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "LookAround" # AWS has no resources for these
        Effect = "Allow"
        Action = [
          "ec2:DescribeAccountAttributes",
          "ec2:DescribeAddresses",
          "ec2:DescribeAvailabilityZones",
          "ec2:DescribeInstances",
          "ec2:DescribeInternetGateways",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeRouteTables",
          "ec2:DescribeSecurityGroups",
          "ec2:DescribeSubnets",
          "ec2:DescribeTags",
          "ec2:DescribeVpcs",
          "ec2:GetSecurityGroupsForVpc",
          "elasticloadbalancing:DescribeCapacityReservation",
          "elasticloadbalancing:DescribeListenerAttributes",
          "elasticloadbalancing:DescribeListenerCertificates",
          "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeLoadBalancerAttributes",
          "elasticloadbalancing:DescribeLoadBalancers",
          "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeSSLPolicies",
          "elasticloadbalancing:DescribeTags",
          "elasticloadbalancing:DescribeTargetGroupAttributes",
          "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
          "elasticloadbalancing:DescribeTrustStores",
          "acm:ListCertificates",
        ]
        Resource = "*"
      },
      {
        Sid      = "ReadCertificates"
        Effect   = "Allow"
        Action   = "acm:DescribeCertificate"
        Resource = "arn:${data.aws_partition.here.partition}:acm:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}:certificate/*"
      },
      {
        Sid       = "FirstLoadBalancerOfTheAccount"
        Effect    = "Allow"
        Action    = "iam:CreateServiceLinkedRole"
        Resource  = "arn:${data.aws_partition.here.partition}:iam::${data.aws_caller_identity.here.account_id}:role/aws-service-role/elasticloadbalancing.amazonaws.com/*"
        Condition = { StringEquals = { "iam:AWSServiceName" = "elasticloadbalancing.amazonaws.com" } }
      },
      {
        Sid      = "MakeSecurityGroups"
        Effect   = "Allow"
        Action   = "ec2:CreateSecurityGroup"
        Resource = ["${local.ec2}:vpc/${var.vpc_id}", "${local.ec2}:security-group/*"]
      },
      {
        Sid       = "TagNewSecurityGroups"
        Effect    = "Allow"
        Action    = "ec2:CreateTags"
        Resource  = "${local.ec2}:security-group/*"
        Condition = { StringEquals = merge(local.gets_ours.StringEquals, { "ec2:CreateAction" = "CreateSecurityGroup" }) }
      },
      {
        Sid       = "TagItsSecurityGroups"
        Effect    = "Allow"
        Action    = ["ec2:CreateTags", "ec2:DeleteTags"]
        Resource  = "${local.ec2}:security-group/*"
        Condition = local.stays_ours
      },
      {
        Sid       = "RemoveItsSecurityGroups"
        Effect    = "Allow"
        Action    = "ec2:DeleteSecurityGroup"
        Resource  = "${local.ec2}:security-group/*"
        Condition = local.is_ours
      },
      {
        Sid       = "OpenPortsForLoadBalancers" # in the cluster's own group too, which carries no tag of the controller
        Effect    = "Allow"
        Action    = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
        Resource  = "${local.ec2}:security-group/*"
        Condition = { ArnEquals = { "ec2:Vpc" = "${local.ec2}:vpc/${var.vpc_id}" } }
      },
      {
        Sid       = "MakeLoadBalancers"
        Effect    = "Allow"
        Action    = ["elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"]
        Resource  = concat(local.balancers, [local.targets])
        Condition = local.gets_ours
      },
      {
        Sid      = "TagNewLoadBalancers"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:AddTags"
        Resource = concat(local.balancers, [local.targets])
        Condition = {
          StringEquals = merge(local.gets_ours.StringEquals, {
            "elasticloadbalancing:CreateAction" = ["CreateTargetGroup", "CreateLoadBalancer"]
          })
        }
      },
      {
        Sid       = "TagItsLoadBalancers"
        Effect    = "Allow"
        Action    = ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
        Resource  = concat(local.balancers, [local.targets])
        Condition = local.stays_ours
      },
      {
        Sid      = "TagListeners"
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
        Resource = concat(local.listeners, local.rules)
      },
      {
        Sid    = "ChangeItsLoadBalancers"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:DeleteLoadBalancer",
          "elasticloadbalancing:DeleteTargetGroup",
          "elasticloadbalancing:ModifyLoadBalancerAttributes",
          "elasticloadbalancing:ModifyListenerAttributes",
          "elasticloadbalancing:ModifyTargetGroup",
          "elasticloadbalancing:ModifyTargetGroupAttributes",
          "elasticloadbalancing:SetIpAddressType",
          "elasticloadbalancing:SetSecurityGroups",
          "elasticloadbalancing:SetSubnets",
        ]
        Resource  = concat(local.balancers, [local.targets], local.listeners)
        Condition = local.is_ours
      },
      {
        Sid    = "ChangeListeners"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:AddListenerCertificates",
          "elasticloadbalancing:CreateListener",
          "elasticloadbalancing:CreateRule",
          "elasticloadbalancing:DeleteListener",
          "elasticloadbalancing:DeleteRule",
          "elasticloadbalancing:ModifyListener",
          "elasticloadbalancing:ModifyRule",
          "elasticloadbalancing:RemoveListenerCertificates",
          "elasticloadbalancing:SetRulePriorities",
        ]
        Resource = concat(local.balancers, local.listeners, local.rules)
      },
      {
        Sid      = "ChangeTargets"
        Effect   = "Allow"
        Action   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
        Resource = local.targets
      },
    ]
  })
}
