"""The collector as an AWS Lambda function: `clickstream_collector.aws_lambda.handler` behind an API Gateway HTTP API.

Importing this module is the cold start: settings from the environment and from the secrets that SECRET_ARNS names, logs
as JSON lines for CloudWatch unless LOG_FORMAT says otherwise, the connection to Kafka. The ports are not used: there is
nothing to listen on, and health and metrics are Lambda's.
"""

import gc
import os
import tempfile
from pathlib import Path

from clickstream_collector.invocations import Invocations
from clickstream_collector.secrets_manager import secret_settings
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_aiokafka

_environ = {
    **os.environ,
    **secret_settings(os.environ, Path(tempfile.gettempdir())),
    "LOG_FORMAT": os.environ.get("LOG_FORMAT") or "json",
    "ADMIN_PORT": "0",
}
_settings = read_settings(CollectorSettings, prog=APP, description="", argv=[], environ=_environ)
configure_logs(_settings.service.log_level, _settings.service.log_format, APP)
apply_to_aiokafka()

handler = Invocations(_settings)
"""The function that the Lambda runtime calls with each event."""

handler.connect()
handler.close_at_sigterm()
gc.freeze()
