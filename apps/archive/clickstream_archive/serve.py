"""`clickstream-archive serve`: /metrics of the last recorded runs, /healthz and /readyz, on HTTP_PORT."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import REGISTRY
from pyiceberg.catalog import Catalog

from clickstream_archive.catalogs import load_table, open_catalog
from clickstream_archive.command import begin
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.instruments import LastRuns
from clickstream_archive.runs import last_runs
from clickstream_archive.settings import ArchiveSettings, CatalogSettings
from clickstream_archive.tables import RAW
from clickstream_core.build_info import publish_build_info
from clickstream_core.errors import SettingsError
from clickstream_core.logs import announce
from clickstream_core.service import Health, health_server
from clickstream_core.settings import duration, setting
from clickstream_core.shutdown import Shutdown

_STALL_S = 300.0
"""A catalog that does not answer is given up before that."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeSettings:
    """The archive, and how often it is read."""

    archive: ArchiveSettings
    refresh_interval: int = setting(
        "REFRESH_INTERVAL",
        parse=duration(minimum="1s", maximum="1h"),
        default="1m",
        help="how often the last runs are read from the archive",
    )


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl+C; return the exit status."""
    settings = begin(ServeSettings, "serve", "Serves the results of the last runs with --record as metrics.", argv)
    service = settings.archive.service
    if service.http_port == 0:
        raise SettingsError("HTTP_PORT=0: serve has nothing to do without a port")
    publish_build_info("archive")
    runs = LastRuns()
    REGISTRY.register(runs)
    health = Health(stall_after_s=_STALL_S + settings.refresh_interval / 1000)
    with Shutdown() as shutdown, health_server(service.http_port, health, listen=service):
        announce(f"🚀 Metrics of the archive's last runs on port {service.http_port}")
        while not shutdown.requested.is_set():
            _refresh(settings.archive.catalog, runs, health)
            health.beat()
            shutdown.requested.wait(settings.refresh_interval / 1000)
    return 0


def _refresh(settings: CatalogSettings, runs: LastRuns, health: Health) -> None:
    """Read the archive. What was read before is served on while it is away."""
    try:
        catalog = open_catalog(settings)
        runs.update(last_runs(catalog, settings), _raw_committed_at(catalog, settings))
    except ArchiveError as error:
        _log.warning("The archive can't be read: %s", error)
        health.set_ready(False, str(error))
    else:
        health.set_ready(True)


def _raw_committed_at(catalog: Catalog, settings: CatalogSettings) -> float | None:
    try:
        snapshot = load_table(catalog, settings, RAW).current_snapshot()
    except MissingTable:
        return None
    return None if snapshot is None else snapshot.timestamp_ms / 1000
