output "bootstrap_servers" {
  description = "Kafka's address for clients, KAFKA_BOOTSTRAP_SERVERS (SASL_SSL, SCRAM-SHA-512)."
  value       = "${aws_network_interface.this.private_ip}:${var.port}"
}

output "port" {
  description = "The port in it."
  value       = var.port
}

output "security_group_id" {
  description = "The instance's security group, which a client's has to let out to."
  value       = aws_security_group.this.id
}

output "secret_arn" {
  description = "The secret with the collector's username, password, visitor_secret and ca_certificate."
  value       = aws_secretsmanager_secret.this.arn
}

output "instance_id" {
  description = "The instance."
  value       = aws_instance.this.id
}

output "session_command" {
  description = "Opens a shell on the instance (with the Session Manager plugin of the AWS CLI)."
  value       = "aws ssm start-session --region ${local.region} --target ${aws_instance.this.id}"
}

output "events_command" {
  description = "On the instance: shows the events as they come."
  value       = "sudo -u clickstream /opt/clickstream/bin/kafka console-consumer --topic clickstream-events"
}
