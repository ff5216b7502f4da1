# In: Kafka's port, from the clients that are named. Out: HTTPS. There is no SSH; Session Manager comes by HTTPS, too.

resource "aws_security_group" "this" {
  name        = local.instance
  description = "Kafka: in from named clients, out by HTTPS"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "client_group" {
  for_each = var.client_security_groups

  security_group_id            = aws_security_group.this.id
  description                  = "Kafka clients: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  referenced_security_group_id = each.value
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "client_network" {
  for_each = var.client_cidr_blocks

  security_group_id = aws_security_group.this.id
  description       = "Kafka clients"
  ip_protocol       = "tcp"
  from_port         = var.port
  to_port           = var.port
  cidr_ipv4         = each.value
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = var.https_cidr_blocks

  security_group_id = aws_security_group.this.id
  description       = "Packages, Maven Central, S3, Glue, Secrets Manager, Systems Manager"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value
  tags              = var.tags
}
