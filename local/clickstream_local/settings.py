"""The options of `./setup.sh --local`. The apps read their own settings from the environment."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_core.event_rates import HIGHEST_RATE
from clickstream_core.listening import LOCALHOST, LOOPBACK, family_of, host_names, listen_address
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import choice, integer, number, port, setting, setting_of, switch
from clickstream_kafka.settings import topic_name
from clickstream_local.archive_place import CATALOG_PORT, S3_PORT, warehouse

ACCESS_LOGS, SCENARIO_RESULTS = "clickstream-access-logs", "clickstream-scenario-results"


@dataclass(frozen=True)
class LocalSettings:
    """The load, what is shown, and which ports and folder are used. Durations are in milliseconds."""

    rate: float = setting(
        "RATE",
        parse=number(minimum=0, maximum=HIGHEST_RATE),
        default="10",
        help="events per second of the simulated users; 0 for no users",
    )
    kind: str = setting(
        "KIND",
        parse=choice("events", "weblog"),
        default="events",
        help="what is written: events, or weblog for web server logs on the topic web_logs, which are not counted",
    )
    users: int = setting("USERS", parse=integer(minimum=1, maximum=10_000_000), default="100", help="simulated users")
    seed: int | None = setting("SEED", parse=integer(), help="same seed, same events except ids and times")
    window_size: int = setting_of(ProcessorTimes, "window_size", default="30s")
    language: str = setting(
        "DASHBOARD_LANGUAGE",
        parse=choice("en", "ko"),
        default="en",
        help="language of the dashboard: en or ko",
        flag="--language",
    )
    fresh: bool = switch("FRESH", help="delete the data of earlier runs")
    monitoring: bool = switch(
        "MONITORING",
        help="start Prometheus too, if it is installed, with the apps as targets and the alert rules",
    )
    collector: bool = switch("COLLECTOR", help="start the collector and a demo shop too, whose clicks it collects")
    archive: bool = switch(
        "ARCHIVE",
        help="keep everything: Kafka Connect writes all topics to an Iceberg table on S3 (SeaweedFS, started too)",
    )
    archive_to: str | None = setting(
        "ARCHIVE_TO",
        parse=warehouse,
        help="with --archive: s3://BUCKET/PREFIX, hdfs://HOST:PORT/PATH or a folder instead of SeaweedFS; a bucket "
        "needs an Iceberg catalog: CATALOG_URI for a REST catalog (S3_ENDPOINT, CATALOG_CREDENTIAL), else AWS Glue",
    )
    scenarios: bool = switch(
        "SCENARIOS",
        help="start the scenarios too: their page, three of them with members to begin with, requests to them, and "
        "their statistics by Spark",
    )
    kafka_port: int = setting("KAFKA_PORT", parse=port, default="9092", help="port of the embedded Kafka")
    http_port: int = setting(
        "HTTP_PORT",
        parse=integer(minimum=0, maximum=65512),
        default="8080",
        help="first of three ports for /healthz, /readyz and /metrics: consumer, producer, processor; 0 for none; "
        "the collector and the shop have the 10th to the 12th after it, the scenarios the 20th to the 23rd",
    )
    http_host: str = setting(
        "HTTP_HOST",
        parse=listen_address,
        default=LOOPBACK,
        help="address that all but Kafka, the stores and the scenarios' page listen on (these are for this machine "
        "only); 0.0.0.0 opens the others to everyone who can reach this machine",
        flag="--listen",
    )
    http_allowed_hosts: tuple[str, ...] | None = setting(
        "HTTP_ALLOWED_HOSTS",
        parse=host_names,
        help="names that browsers may use for the pages, besides localhost, addresses and this machine's name",
    )
    prometheus_port: int = setting("PROMETHEUS_PORT", parse=port, default="9090", help="port of Prometheus")
    connect_port: int = setting(
        "CONNECT_PORT", parse=port, default="8083", help="port of Kafka Connect's REST interface"
    )
    s3_port: int = setting("S3_PORT", parse=port, default=str(S3_PORT), help="port of SeaweedFS' S3")
    catalog_port: int = setting(
        "CATALOG_PORT", parse=port, default=str(CATALOG_PORT), help="port of SeaweedFS' Iceberg catalog"
    )
    redis_port: int = setting("REDIS_PORT", parse=port, default="6379", help="port of the scenarios' Valkey or Redis")
    directory: Path = setting(
        "LOCAL_DIRECTORY",
        parse=Path,
        default=".local",
        help="folder for jars, the data of Kafka, Prometheus, the archive and the scenarios, and the logs, relative "
        "to the checkout",
    )

    def validate(self) -> None:
        """Raise SettingsError for an option that needs HTTP ports when there are none."""
        needs = {"MONITORING=true: needs the apps' HTTP ports": self.monitoring}
        needs["COLLECTOR=true: the collector needs HTTP ports"] = self.collector
        needs["SCENARIOS=true: their page needs HTTP ports"] = self.scenarios
        for need, wanted in needs.items():
            if wanted and not self.http_port:
                raise SettingsError(f"{need}, but HTTP_PORT=0; set only one of the two")
        if self.archive_to and not self.archive:
            raise SettingsError(f"ARCHIVE_TO={self.archive_to}: has no effect without --archive")

    def allowed_hosts(self) -> tuple[str, ...]:
        """Return the host names that the apps accept; this machine's own only if other machines can reach it."""
        names = (LOCALHOST, *(self.http_allowed_hosts or ()))
        if not ipaddress.ip_address(self.http_host).is_loopback:
            own = socket.gethostname().lower()
            names += tuple(name for name in (own, own.partition(".")[0]) if re.fullmatch(r"[a-z0-9_.-]+", name))
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class ScenarioTopicSettings:
    """The names of the scenarios' topics, as their apps read them."""

    access_logs_topic: str = setting(
        "ACCESS_LOGS_TOPIC", parse=topic_name, default=ACCESS_LOGS, help="topic of the requests"
    )
    scenario_results_topic: str = setting(
        "SCENARIO_RESULTS_TOPIC", parse=topic_name, default=SCENARIO_RESULTS, help="topic of their results"
    )


def refuse_foreign_address(settings: LocalSettings) -> None:
    """Raise SettingsError if the address to listen on is not one of this machine."""
    try:
        with socket.socket(family_of(settings.http_host)) as probe:
            probe.bind((settings.http_host, 0))
    except OSError as error:
        raise SettingsError(
            f"HTTP_HOST={settings.http_host} (--listen): expected an address of this machine, "
            f"or 0.0.0.0 for all of them ({error.strerror})"
        ) from error


def refuse_fresh_elsewhere(settings: LocalSettings, bootstrap_servers: str) -> None:
    """Raise SettingsError if --fresh is given with a Kafka that is not the embedded one."""
    if settings.fresh:
        raise SettingsError(
            f"FRESH=true: deletes the embedded Kafka's data, but KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers} "
            f"names another Kafka; set only one of the two"
        )
