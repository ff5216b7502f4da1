"""The application for any ASGI server, `uvicorn clickstream_collector.asgi:app`; settings come from the environment."""

from clickstream_collector.application import Collector
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings
from clickstream_kafka.patches.aiokafka_closing import end_closed_connections
from clickstream_kafka.patches.aiokafka_compression import compress_fast
from clickstream_kafka.patches.aiokafka_connections import report_closed_transports

_settings = read_settings(CollectorSettings, prog=APP, description="", argv=[])
configure_logs(_settings.service.log_level, _settings.service.log_format, APP)
publish_build_info("collector")
report_closed_transports()
end_closed_connections()
compress_fast()

app = Collector(_settings).application()
"""The ASGI application."""
