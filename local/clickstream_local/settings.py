"""What `./setup.sh --local` can be told. The apps' own settings reach them through the environment."""

from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_core.settings import boolean, choice, duration, integer, number, setting


@dataclass(frozen=True)
class LocalSettings:
    """How much is simulated, what is shown, and which ports and folder are used. Durations in milliseconds."""

    rate: float = setting("RATE", parse=number(minimum=0.001, maximum=100_000), default="10", help="events per second")
    users: int = setting("USERS", parse=integer(minimum=1, maximum=10_000_000), default="100", help="simulated users")
    seed: int | None = setting("SEED", parse=integer(), help="same seed, same events but for ids and times")
    window_size: int = setting(
        "WINDOW_SIZE",
        parse=duration(minimum="1s", maximum="1d", whole_seconds=True),
        default="30s",
        help="length of a window",
    )
    language: str = setting(
        "DASHBOARD_LANGUAGE",
        parse=choice("en", "ko"),
        default="en",
        help="language of the dashboard: en or ko",
        flag="--language",
    )
    fresh: bool = setting(
        "FRESH",
        parse=boolean,
        default="false",
        switch=True,
        help="delete the data that earlier runs left",
    )
    monitoring: bool = setting(
        "MONITORING",
        parse=boolean,
        default="false",
        switch=True,
        help="start Prometheus too, where it is installed, with the apps as targets and the alert rules",
    )
    kafka_port: int = setting(
        "KAFKA_PORT", parse=integer(minimum=1, maximum=65535), default="9092", help="port of the embedded Kafka"
    )
    http_port: int = setting(
        "HTTP_PORT",
        parse=integer(minimum=0, maximum=65533),
        default="8080",
        help="first of three ports for /healthz, /readyz and /metrics: consumer, producer, processor; 0 for none",
    )
    prometheus_port: int = setting(
        "PROMETHEUS_PORT",
        parse=integer(minimum=1, maximum=65535),
        default="9090",
        help="port of Prometheus",
    )
    directory: Path = setting(
        "LOCAL_DIRECTORY",
        parse=Path,
        default=".local",
        help="folder for Kafka's jars and data, Prometheus' data and the logs, as seen from the checkout",
    )

    def http_ports(self) -> dict[str, int]:
        """The HTTP port of each app, by its name; 0 means none."""
        names = ("consumer", "producer", "streams")
        return {name: self.http_port + number if self.http_port else 0 for number, name in enumerate(names)}


def refuse_monitoring_of_nothing(settings: LocalSettings) -> None:
    """Raise SettingsError when --monitoring is given though the apps shall have no HTTP ports."""
    if settings.monitoring and not settings.http_port:
        raise SettingsError("MONITORING=true: needs the apps' HTTP ports, but HTTP_PORT=0; leave out one of the two")


def refuse_fresh_elsewhere(settings: LocalSettings, bootstrap_servers: str) -> None:
    """Raise SettingsError when --fresh is given though the Kafka in use is not the embedded one."""
    if settings.fresh:
        raise SettingsError(
            f"FRESH=true: deletes the embedded Kafka's data, but KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers} "
            f"says to use another Kafka; leave out one of the two"
        )
