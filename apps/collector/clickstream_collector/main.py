"""The collector's entry point: settings, the application on Granian, shutdown.

Granian runs inside this process and its event loop, so one kill ends everything, and the loop that answers requests
also talks to Kafka. On SIGTERM and SIGINT: not ready, no new connections, current requests are answered, accepted
events are delivered, exit 0.
"""

import asyncio
import gc
import logging
import signal

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from clickstream_collector.application import Collector
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.build_info import publish_build_info
from clickstream_core.listening import listening_socket, url_host
from clickstream_core.logs import announce, configure_logs
from clickstream_core.process import run
from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_aiokafka

_MAX_CONNECTIONS = 10_240  # each takes 20 kB, and another 20 kB with an unfinished head: 430 MB at most
_BACKLOG = 4096
_HEAD_TIMEOUT_MS = 10_000
_MAX_HEAD_BYTES = 24 * 1024
_GARBAGE_THRESHOLD = 50_000

_log = logging.getLogger(__name__)


def main() -> None:
    run(_main)


def _main() -> int:
    settings = read_settings(
        CollectorSettings, prog=APP, description="Takes events from browsers and answers once Kafka has them."
    )
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("collector")
    apply_to_aiokafka()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    return uvloop.run(_serve(settings))


async def _serve(settings: CollectorSettings) -> int:
    host, port = settings.service.http_host, settings.service.http_port
    address = _free_address(host, "HTTP_PORT", port)
    if settings.service.admin_port:
        _free_address(host, "ADMIN_PORT", settings.service.admin_port)
    collector = Collector(settings)
    server = Server(
        collector.application(),
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        backlog=_BACKLOG,
        backpressure=_MAX_CONNECTIONS,
        http=HTTPModes.http1,  # to detect HTTP/2 Granian would wait for the first bytes without a timeout
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_TIMEOUT_MS, max_buffer_size=_MAX_HEAD_BYTES),
        websockets=False,
        log_enabled=False,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    logging.getLogger("_granian").setLevel(logging.ERROR)  # it warns that embedding is experimental
    serving = loop.create_task(server.serve())
    waiting = loop.create_task(stopped.wait())
    url = f"http://{url_host(host)}:{port}"
    announce(f"✓ Taking events on {url}/ingest (script: {url}/clickstream.js)")
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
        _log.error("The HTTP server stopped unexpectedly")
        return 1
    collector.health.set_ready(False, "shutting down")
    server.stop()  # type: ignore[no-untyped-call]
    await serving
    announce("Stopped")
    return 0


def _free_address(host: str, setting: str, port: int) -> str:
    """Return the address to bind for `host`. Raises SettingsError when it, or the port, can't be used.

    Tried before anything starts, because a failure within the server's lifespan would end with the server's traceback.
    """
    with listening_socket(host, port, setting) as probe:
        return str(probe.getsockname()[0])


if __name__ == "__main__":
    main()
