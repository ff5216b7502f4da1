# The HTTP API: the collector's endpoints and no others. Origins stand in one variable, which the function gets too: it
# refuses events of other pages, which CORS alone does not.

locals {
  # The gateway knows no https://*.example.com. With one of those the function answers OPTIONS and sets the headers.
  gateway_does_cors = !anytrue([for origin in var.allowed_origins : strcontains(origin, "*.")])

  routes = toset(concat(
    ["POST /ingest", "GET /pixel.gif", "GET /clickstream.js", "GET /openapi.json"],
    local.gateway_does_cors ? [] : ["OPTIONS /ingest"],
  ))
}

resource "aws_apigatewayv2_api" "this" {
  name          = local.function
  description   = "Clickstream events from browsers"
  protocol_type = "HTTP"
  tags          = var.tags

  dynamic "cors_configuration" {
    for_each = local.gateway_does_cors ? [true] : []

    content {
      allow_origins = var.allowed_origins
      allow_methods = ["GET", "POST"]
      # Tracing libraries add headers of their own to every request of a page.
      allow_headers  = ["*"]
      expose_headers = ["retry-after"]
      max_age        = 86400
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.this.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 11000 # the function's timeout, and a second for Lambda
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.value
  target    = "integrations/${aws_apigatewayv2_integration.this.id}"
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*"
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/vendedlogs/${local.function}-api"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.throttling_rate
    throttling_burst_limit = var.throttling_burst
  }

  # Neither address nor user agent: a visitor is not recognised by the log.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      time             = "$context.requestTime"
      request          = "$context.requestId"
      route            = "$context.routeKey"
      status           = "$context.status"
      bytes            = "$context.responseLength"
      milliseconds     = "$context.responseLatency"
      functionStatus   = "$context.integration.integrationStatus"
      functionError    = "$context.integration.error"
      gatewayError     = "$context.error.message"
      functionDuration = "$context.integration.latency"
    })
  }

  depends_on = [aws_apigatewayv2_route.this]
}
