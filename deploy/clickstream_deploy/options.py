"""The options of setup.sh and cleanup.sh: those that their help lists. Each bad value is refused before anything is
touched, with nothing but Python's standard library.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from clickstream_core.event_rates import HIGHEST_RATE, LOWEST_RATE
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import duration, integer, matching, number
from clickstream_deploy.apps import APPS, LOCAL, MONITORING, RELEASES, version
from clickstream_deploy.errors import refused
from clickstream_deploy.usage import USAGE

DEFAULT_NAMESPACE = "kafka"
DEFAULT_CLUSTER_NAME = "data-on-eks"

_FIELDS = {"--all": "everything", "--timeout": "timeout_s", "--duration": "duration_s"}
"""The fields that are not called as their options."""

_RATES = f"events per second from {LOWEST_RATE} to {HIGHEST_RATE}, such as 10 or 0.5"
_OF_TEST = ("--replicas", "--duration", "--throughput-test", "--namespace", "--cluster-name", "--timeout", "--dry-run")


@dataclass(frozen=True)
class Values:
    """The text of a file given with --values, for one release or ("") for all apps'."""

    release: str
    text: str


@dataclass(frozen=True)
class Options:
    """The options of setup.sh and of cleanup.sh; those that a program does not have are at their defaults."""

    namespace: str = DEFAULT_NAMESPACE
    cluster_name: str = DEFAULT_CLUSTER_NAME
    timeout_s: int = 600
    dry_run: bool = False

    with_kafka: str = ""
    install_operator: bool = False
    monitoring: bool = False
    parts: tuple[str, ...] = ()
    """The optional apps that were asked for, in that order."""
    build: bool = False
    """Then image_registry and image_tag are set, and the registry `LOCAL` is none."""
    image_registry: str = ""
    image_tag: str = ""
    platform: str = ""
    window_size: str = ""
    rate: str = ""
    kind: str = ""
    """What the producer writes."""
    archive_bucket: str = ""
    """The bucket of the archive, "" for storage in the cluster."""
    archive_secret: str = ""
    """The Secret with the key of the bucket, "" for pod identity."""
    archive_region: str = ""
    database_secret: str = ""
    redis_secret: str = ""
    """The Secrets with the addresses of the scenarios' stores."""
    with_stores: str = ""
    """Or stores in the cluster, to try the scenarios out: dev."""
    values: tuple[Values, ...] = ()

    throughput_test: float = 0.0
    """Events per second; 0 for no test."""
    replicas: tuple[int, ...] = (1, 3, 6)
    duration_s: int = 120

    delete_topics: bool = False
    delete_archive: bool = False
    """What was archived in the cluster."""
    delete_stores: bool = False
    """Scenarios, members and statistics in the cluster."""
    delete_kafka: bool = False
    """With the topics."""
    everything: bool = False
    """With Kafka and the topics."""

    def place(self) -> str:
        """The options that lead to the same namespace and cluster, for commands that are shown."""
        namespace = "" if self.namespace == DEFAULT_NAMESPACE else f" --namespace {self.namespace}"
        name = "" if self.cluster_name == DEFAULT_CLUSTER_NAME else f" --cluster-name {self.cluster_name}"
        return namespace + name


def parse(program: str, arguments: Sequence[str]) -> Options | None:
    """Return the options, None for --help. Raises EndedError for a wrong one before --help."""
    known = re.findall(r"^  (--[a-z-]+)", USAGE[program], re.MULTILINE)
    optional = {f"--{app.option}": app.option for app in APPS if app.option and program == "setup.sh"}
    found: dict[str, Any] = {"parts": (), "values": ()}
    rest, given = list(arguments), list[str]()
    while rest:
        flag, separator, value = rest.pop(0).partition("=")
        if flag in ("-h", "--help"):
            return None
        if flag == "--local":
            raise refused("--local must come first (--help explains)")
        if flag not in (*known, *optional):
            unknown = f"unknown option {flag} (--help lists them)"
            raise refused(unknown if flag.startswith("-") else f"unexpected argument {flag} (--help explains)")
        given.append(flag)
        name = _FIELDS.get(flag, flag[2:].replace("-", "_"))
        if flag in _PARSERS:
            parsed = _parsed(flag, value if separator else next(iter(rest), None))
            rest = rest if separator else rest[1:]
            found[name] = (*found["values"], parsed) if name == "values" else parsed
        elif separator:
            raise refused(f"unexpected argument {value} (--help explains)")
        elif flag in optional:
            found["parts"] = (*found["parts"], optional[flag])
        else:
            found[name] = True
    for flag in given:
        if "--throughput-test" in given and flag not in _OF_TEST:
            raise refused(f"{flag} can't be given with --throughput-test, which measures what is installed")
        if "--throughput-test" not in given and flag in _OF_TEST[:2]:
            raise refused(f"{flag} needs --throughput-test")
    for app in APPS:
        if app.option not in ("", *found["parts"]) and app.release in [each.release for each in found["values"]]:
            raise refused(
                f"--values={app.release}=...: {app.release} is installed with --{app.option}, which is missing"
            )
    if "build" in found:
        found = {"image_registry": LOCAL, "image_tag": version(), **found}
    for option in ("bucket", "secret", "region"):
        if f"archive_{option}" in found and "archive" not in found["parts"]:
            raise refused(f"--archive-{option} is for the archive: give --archive too")
        if f"archive_{option}" in found and "archive_bucket" not in found:
            raise refused(f"--archive-{option} is for a bucket: give --archive-bucket too")
    _check_stores(found)
    found["delete_archive"] = "delete_archive" in found or "everything" in found
    found["delete_stores"] = "delete_stores" in found or "everything" in found
    found["delete_kafka"] = "delete_kafka" in found or "everything" in found
    found["delete_topics"] = "delete_topics" in found or found["delete_kafka"]
    return Options(**found)


def _check_stores(found: dict[str, Any]) -> None:
    """The scenarios need both stores: of the user's, or of the cluster's own."""
    named = [each for each in ("database_secret", "redis_secret") if each in found]
    for each in (*named, *(["with_stores"] if "with_stores" in found else [])):
        flag = f"--{each.replace('_', '-')}"
        if "scenarios" not in found["parts"]:
            raise refused(f"{flag} is for the scenarios: give --scenarios too")
        if "with_stores" in found and each != "with_stores":
            raise refused(f"{flag} can't be given with --with-stores, which makes these stores and their Secrets")
    if found.get("kind") == "access-log" and "scenarios" not in found["parts"]:
        raise refused("--kind=access-log writes requests of scenarios: give --scenarios too")
    if "scenarios" in found["parts"] and "with_stores" not in found and len(named) < 2:
        missing = " and ".join(
            f"--{each}-secret NAME" for each in ("database", "redis") if f"{each}_secret" not in found
        )
        raise refused(
            f"--scenarios needs a database and Redis: give {missing}, or --with-stores dev to try it out (--help"
            " explains)"
        )


def _parsed(flag: str, value: str | None) -> Any:
    if value is None:
        raise refused(f"{flag} needs a value (--help explains)")
    if not value:
        raise refused(f"{flag} needs a value that is not empty")
    if value.startswith("--"):
        raise refused(f"{flag} needs a value, not the option {value}")
    try:
        return _PARSERS[flag](value)
    except ValueError as error:
        raise refused(f"{flag}={value}: {error}") from error


def _worded(parse: Callable[[str], Any], expected: str) -> Callable[[str], Any]:
    """Return a parser that says in these words what it expects."""

    def worded(value: str) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise ValueError(f"expected {expected}") from error

    return worded


def _window_size(value: str) -> str:
    (declared,) = (each.metadata["setting"] for each in fields(ProcessorTimes) if each.name == "window_size")
    declared.parse(value)
    return value


def _rate(value: str) -> str:
    """As the producer's RATE, but without the exponents that Helm would take for text."""
    number(minimum=LOWEST_RATE, maximum=HIGHEST_RATE)(matching(r"(0|[1-9][0-9]*)(\.[0-9]{1,3})?", "")(value))
    return value


def _seconds(minimum: str) -> Callable[[str], int]:
    parse = duration(minimum=minimum, maximum="1d", whole_seconds=True)
    return _worded(lambda value: parse(value) // 1000, f"a duration from {minimum} to 1d, such as 90s or 10m")


def _replicas(value: str) -> tuple[int, ...]:
    return tuple(map(integer(minimum=1, maximum=999), value.split(",")))


def _values(value: str) -> Values:
    """Return the text of the file; it is read only once, so it may be a pipe."""
    release, separator, file = value.partition("=")
    if not separator or release not in (*RELEASES, MONITORING):
        if separator and re.fullmatch(r"clickstream-[a-z-]+", release):
            known = " ".join((*RELEASES, MONITORING))
            raise ValueError(f"there is no release {release}; expected one of {known}")
        release, file = "", value
    try:
        return Values(release, Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file {file} can't be read") from error


def _secret(example: str) -> Callable[[str], str]:
    return matching(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", f"the name of a Secret, such as {example}")


_name = matching(
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "lower-case letters, digits and hyphens, at most 63, such as data-on-eks"
)
_PARSERS: dict[str, Callable[[str], Any]] = {
    "--namespace": _name,
    "--cluster-name": _name,
    "--with-kafka": matching("dev|eks", "dev (one node) or eks (three controllers, three brokers)"),
    "--image-registry": matching(
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        "host[:port][/path] without https://, such as localhost or ghcr.io/example",
    ),
    "--image-tag": matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "an image's tag, such as 0.1.0 (a digest is image.digest in a file for --values)",
    ),
    "--platform": matching("amd64|arm64|any", "amd64, arm64 or any"),
    "--window-size": _worded(_window_size, "whole seconds from 1s to 1d, such as 30s, 5m or 1h"),
    "--rate": _worded(_rate, _RATES),
    "--kind": matching(
        "events|weblog|access-log", "events, weblog (web server logs) or access-log (requests of scenarios)"
    ),
    "--archive-bucket": matching(
        # Amazon's rules for general purpose buckets
        r"(?!.*\.\.)(?![0-9]+(\.[0-9]+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "a bucket's name without s3://, 3 to 63 lower-case letters, digits, hyphens and dots, such as my-archive",
    ),
    "--archive-secret": _secret("archive-s3"),
    "--archive-region": matching(r"[a-z]{2}(-[a-z0-9]+)+", "a region, such as eu-central-1"),
    "--database-secret": _secret("scenarios-database"),
    "--redis-secret": _secret("scenarios-redis"),
    "--with-stores": matching("dev", "dev (one MariaDB and one Valkey, for trying out)"),
    "--values": _values,
    "--timeout": _seconds("1s"),
    "--throughput-test": _worded(lambda value: float(_rate(value)), _RATES),
    "--replicas": _worded(_replicas, "numbers of replicas from 1 to 999, such as 1,3,6"),
    "--duration": _seconds("10s"),
}
"""Of the options that take a value."""
