# In: nothing. Out: the brokers' port, and Secrets Manager.

resource "aws_security_group" "function" {
  name        = local.function
  description = "The collector's function: out to Kafka and to Secrets Manager, nothing in"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = local.function })

  lifecycle {
    precondition {
      condition     = length(var.kafka_security_groups) + length(var.kafka_cidr_blocks) > 0
      error_message = "kafka_security_groups, kafka_cidr_blocks: expected at least one of the two, or the function reaches no broker."
    }

    precondition {
      condition     = var.create_secret || length(var.secret_arns) > 0
      error_message = "secret_arns: expected at least one with create_secret = false; the function has no visitor_secret otherwise."
    }
  }
}

resource "aws_vpc_security_group_egress_rule" "kafka_group" {
  for_each = var.kafka_security_groups

  security_group_id            = aws_security_group.function.id
  description                  = "Kafka: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = var.kafka_port
  to_port                      = var.kafka_port
  referenced_security_group_id = each.value
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "kafka_network" {
  for_each = var.kafka_cidr_blocks

  security_group_id = aws_security_group.function.id
  description       = "Kafka"
  ip_protocol       = "tcp"
  from_port         = var.kafka_port
  to_port           = var.kafka_port
  cidr_ipv4         = each.value
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "secrets" {
  security_group_id            = aws_security_group.function.id
  description                  = "Secrets Manager"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = var.secrets_endpoint ? aws_security_group.endpoint[0].id : null
  cidr_ipv4                    = var.secrets_endpoint ? null : "0.0.0.0/0"
  tags                         = var.tags
}

resource "aws_security_group" "endpoint" {
  count = var.secrets_endpoint ? 1 : 0

  name        = "${local.function}-secrets"
  description = "The VPC endpoint of Secrets Manager: in from the collector's function, nothing out"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${local.function}-secrets" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoint" {
  count = var.secrets_endpoint ? 1 : 0

  security_group_id            = aws_security_group.endpoint[0].id
  description                  = "The collector's function"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.function.id
  tags                         = var.tags
}
