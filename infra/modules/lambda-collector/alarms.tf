# What an operator has to act on (README.md has what each means).

locals {
  of_function = { FunctionName = aws_lambda_function.this.function_name }
  of_api      = { ApiId = aws_apigatewayv2_api.this.id }

  alarms = {
    errors = {
      description = "The function ended with an error: it did not start (a secret or setting), or a bug; its log says which"
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = local.of_function
      statistic   = "Sum", threshold = 0, periods = 1
    }
    throttles = {
      description = "All of the function's concurrency is in use: Kafka is slow or away, or reserved_concurrency is too low"
      namespace   = "AWS/Lambda", metric = "Throttles", dimensions = local.of_function
      statistic   = "Sum", threshold = 0, periods = 2
    }
    slow = {
      description = "Requests take longer than a second: Kafka is slow or away, and 503 is the next"
      namespace   = "AWS/Lambda", metric = "Duration", dimensions = local.of_function
      statistic   = "p95", threshold = 1000, periods = 3
    }
    refusals = {
      description = "The API answers with 5xx: browsers keep their events and send them again, for a while"
      namespace   = "AWS/ApiGateway", metric = "5xx", dimensions = local.of_api
      statistic   = "Sum", threshold = 5, periods = 2
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.function}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}
