"""The application for any ASGI server, `uvicorn clickstream_collector.asgi:app`; settings come from the environment."""

from clickstream_collector.application import Collector
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_aiokafka

_settings = read_settings(CollectorSettings, prog=APP, description="", argv=[])
configure_logs(_settings.service.log_level, _settings.service.log_format, APP)
publish_build_info("collector")
apply_to_aiokafka()

app = Collector(_settings).application()
"""The ASGI application."""
