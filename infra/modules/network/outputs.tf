output "vpc_id" {
  description = "Id of the network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the network."
  value       = aws_vpc.this.cidr_block
}

output "availability_zones" {
  description = "The three zones, in the order of the subnets."
  value       = local.zones
}

output "private_subnet_ids" {
  description = "One private subnet in each zone."
  value       = aws_subnet.private[*].id
}

output "public_subnet_ids" {
  description = "One public subnet in each zone."
  value       = aws_subnet.public[*].id
}

output "nat_addresses" {
  description = "Under these addresses the private subnets appear on the internet."
  value       = aws_eip.nat[*].public_ip
}

output "private_subnets" {
  description = "The private subnets by their zones' names."
  value       = zipmap(local.zones, aws_subnet.private[*].id)
}
