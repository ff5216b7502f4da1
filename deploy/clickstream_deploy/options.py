"""The options of setup.sh and cleanup.sh; each bad value is refused before anything is touched."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from clickstream_core.durations import parse_duration
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import duration, number
from clickstream_deploy.apps import APPS, MONITORING, RELEASES
from clickstream_deploy.errors import refused

DEFAULT_NAMESPACE = "kafka"
DEFAULT_CLUSTER_NAME = "data-on-eks"

_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_REGISTRY = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_RATE = r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?"
_OPTIONS = frozenset(app.option for app in APPS if app.option)


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
    image_registry: str = ""
    image_tag: str = ""
    platform: str = ""
    window_size: str = ""
    rate: str = ""
    values: tuple[Values, ...] = ()

    delete_topics: bool = False
    delete_kafka: bool = False
    """With the topics."""
    everything: bool = False
    """With Kafka and the topics."""

    def place(self) -> str:
        """The options that lead to the same namespace and cluster, for commands that are shown."""
        namespace = "" if self.namespace == DEFAULT_NAMESPACE else f" --namespace {self.namespace}"
        name = "" if self.cluster_name == DEFAULT_CLUSTER_NAME else f" --cluster-name {self.cluster_name}"
        return namespace + name


def parse_setup(arguments: Sequence[str]) -> Options:
    """Raises EndedError for what is not allowed."""
    takes: dict[str, Callable[[str, str], Any]] = {
        **_PLACE,
        "with-kafka": _with_kafka,
        "image-registry": _matching(
            _REGISTRY, "host[:port][/path] without https://, such as localhost or ghcr.io/example"
        ),
        "image-tag": _matching(_TAG, "an image's tag, such as 0.1.0 (a digest is image.digest in a file for --values)"),
        "platform": _matching("amd64|arm64|any", "amd64, arm64 or any"),
        "window-size": _window_size,
        "rate": _rate,
        "values": _values,
    }
    found = _parse(arguments, takes, {"monitoring", "install-operator", "dry-run", *_OPTIONS})
    parts = tuple(name for name in found if name in _OPTIONS)
    options = Options(
        **_place(found),
        with_kafka=_last(found, "with-kafka", ""),
        install_operator="install-operator" in found,
        monitoring="monitoring" in found,
        parts=parts,
        image_registry=_last(found, "image-registry", ""),
        image_tag=_last(found, "image-tag", ""),
        platform=_last(found, "platform", ""),
        window_size=_last(found, "window-size", ""),
        rate=_last(found, "rate", ""),
        values=tuple(found.get("values", ())),
    )
    for app in APPS:
        if app.option and app.option not in parts and any(each.release == app.release for each in options.values):
            raise refused(
                f"--values={app.release}=...: {app.release} is installed with --{app.option}, which is missing"
            )
    return options


def parse_cleanup(arguments: Sequence[str]) -> Options:
    """Raises EndedError for what is not allowed."""
    found = _parse(arguments, _PLACE, {"delete-topics", "delete-kafka", "all", "dry-run"})
    everything = "all" in found
    kafka = everything or "delete-kafka" in found
    return Options(
        **_place(found),
        everything=everything,
        delete_kafka=kafka,
        delete_topics=kafka or "delete-topics" in found,
    )


def _parse(
    arguments: Sequence[str], takes: Mapping[str, Callable[[str, str], Any]], switches: set[str]
) -> dict[str, list[Any]]:
    """Return the values of each option that was given, in the order of the first use."""
    found: dict[str, list[Any]] = {}
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        if option.startswith("--") and "=" in option:
            option, _, value = option.partition("=")
            rest.insert(0, value)
        name = option.removeprefix("--") if option.startswith("--") else ""
        if name in takes:
            if not rest:
                raise refused(f"{option} needs a value (--help explains)")
            value = rest.pop(0)
            if not value:
                raise refused(f"{option} needs a value that is not empty")
            if value.startswith("--"):
                raise refused(f"{option} needs a value, not the option {value}")
            found.setdefault(name, []).append(takes[name](option, value))
        elif name in switches:
            found.setdefault(name, [])
        elif name == "local":
            raise refused("--local must come first (--help explains)")
        elif option.startswith("-"):
            raise refused(f"unknown option {option} (--help lists them)")
        else:
            raise refused(f"unexpected argument {option} (--help explains)")
    return found


def _last(found: Mapping[str, list[Any]], name: str, default: Any) -> Any:
    return found[name][-1] if found.get(name) else default


def _place(found: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {
        "namespace": _last(found, "namespace", DEFAULT_NAMESPACE),
        "cluster_name": _last(found, "cluster-name", DEFAULT_CLUSTER_NAME),
        "timeout_s": _last(found, "timeout", 600),
        "dry_run": "dry-run" in found,
    }


def _matching(pattern: str, expected: str) -> Callable[[str, str], str]:
    def check(option: str, value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise refused(f"{option}={value}: expected {expected}")
        return value

    return check


def _with_kafka(option: str, value: str) -> str:
    if value not in ("dev", "eks"):
        raise refused(f"{option}={value}: expected dev (one node) or eks (three controllers, three brokers)")
    return value


def _window_size(option: str, value: str) -> str:
    (declared,) = (each.metadata["setting"] for each in fields(ProcessorTimes) if each.name == "window_size")
    try:
        declared.parse(value)
    except ValueError as error:
        raise refused(f"{option}={value}: expected whole seconds from 1s to 1d, such as 30s, 5m or 1h") from error
    return value


def _timeout(option: str, value: str) -> int:
    try:
        duration(minimum="1s", maximum="1d", whole_seconds=True)(value)
    except ValueError as error:
        raise refused(f"{option}={value}: expected a duration from 1s to 1d, such as 90s or 10m") from error
    return parse_duration(value) // 1000


def _rate(option: str, value: str) -> str:
    try:
        # As the producer's RATE, but without the exponents that Helm would take for text.
        number(minimum=0.001, maximum=100_000)(value if re.fullmatch(_RATE, value) else "")
    except ValueError as error:
        raise refused(
            f"{option}={value}: expected events per second from 0.001 to 100000, such as 10 or 0.5"
        ) from error
    return value


def _values(option: str, value: str) -> Values:
    """Return the text of the file; it is read only once, so it may be a pipe."""
    release, separator, file = value.partition("=")
    if not separator or release not in (*RELEASES, MONITORING):
        if separator and re.fullmatch(r"clickstream-[a-z-]+", release):
            known = " ".join((*RELEASES, MONITORING))
            raise refused(f"{option}={value}: there is no release {release}; expected one of {known}")
        release, file = "", value
    try:
        return Values(release, Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{option}={value}: the file {file} can't be read") from error


_PLACE: dict[str, Callable[[str, str], Any]] = {
    "namespace": _matching(_NAME, "lower-case letters, digits and hyphens, at most 63, such as data-on-eks"),
    "cluster-name": _matching(_NAME, "lower-case letters, digits and hyphens, at most 63, such as data-on-eks"),
    "timeout": _timeout,
}
