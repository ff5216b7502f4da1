"""How each command begins: with its settings, and with logs as they say."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from clickstream_archive.settings import ArchiveSettings
from clickstream_core.logs import configure_logs
from clickstream_core.settings import read_settings


class _CommandSettings(Protocol):
    @property
    def archive(self) -> ArchiveSettings: ...


_Settings = TypeVar("_Settings", bound=_CommandSettings)


def begin(settings_type: type[_Settings], command: str, description: str, argv: Sequence[str]) -> _Settings:
    """Return the settings of `clickstream-archive COMMAND`, and log from now on. Raises SettingsError."""
    prog = f"clickstream-archive {command}"
    settings = read_settings(settings_type, prog=prog, description=description, argv=argv)
    service = settings.archive.service
    configure_logs(service.log_level, service.log_format, "clickstream-archive")
    return settings
