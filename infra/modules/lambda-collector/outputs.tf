output "api_endpoint" {
  description = "Address of the API, without a slash at the end."
  value       = aws_apigatewayv2_api.this.api_endpoint

  depends_on = [aws_apigatewayv2_stage.this, aws_lambda_permission.api]
}

output "ingest_url" {
  description = "Where events are posted."
  value       = "${aws_apigatewayv2_api.this.api_endpoint}/ingest"
}

output "script_tag" {
  description = "The line for your pages."
  value       = "<script async src=\"${aws_apigatewayv2_api.this.api_endpoint}/clickstream.js\"></script>"
}

output "try_command" {
  description = "Sends one event; the answer is 200 when Kafka has it."
  value       = "curl -i -H 'Content-Type: application/json' -d '{\"path\": \"/hello\"}' ${aws_apigatewayv2_api.this.api_endpoint}/ingest"
}

output "logs_command" {
  description = "Follows the function's log."
  value       = "aws logs tail ${aws_cloudwatch_log_group.function.name} --follow --region ${local.region}"
}

output "security_group_id" {
  description = "The function's security group, which the brokers' has to admit."
  value       = aws_security_group.function.id
}

output "secret_arn" {
  description = "The secret that this module made; null with create_secret = false."
  value       = one(aws_secretsmanager_secret.this[*].arn)
}

output "put_secret_command" {
  description = "Fills the secret from the file secret.json, and starts new environments with it; null with create_secret = false."
  value = var.create_secret ? join(" && ", [
    "aws secretsmanager put-secret-value --region ${local.region} --secret-id ${aws_secretsmanager_secret.this[0].arn} --secret-string file://secret.json",
    "aws lambda update-function-code --region ${local.region} --function-name ${local.function} --image-uri ${var.image_uri}",
  ]) : null
}

output "function_name" {
  description = "The function, for aws lambda."
  value       = aws_lambda_function.this.function_name
}

output "environment" {
  description = "The function's environment. No secret is in it."
  value       = local.environment
}

output "alarm_names" {
  description = "The alarms."
  value       = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name]
}
