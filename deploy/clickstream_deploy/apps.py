"""The apps' releases and topics, found in charts/ and strimzi/.

Annotations in an app's Chart.yaml describe its release:
  clickstream/order    when it is installed; cleanup.sh removes in the opposite order. The dashboard is first: it
                       listens before the processor emits, and the processor runs before events come.
  clickstream/release  the release's name, if it is not the chart's
  clickstream/option   the option of setup.sh without which it is not installed, for example collector for --collector

Options are checked before there are any packages, so this module reads the files without a YAML parser.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROCESSOR = "clickstream-streams-processor"
PRODUCER = "clickstream-producer"
COLLECTOR = "clickstream-collector"
ARCHIVE = "clickstream-archive"
SCENARIOS = "clickstream-scenarios"
STATISTICS = "clickstream-statistics"
CONTROL_TOPIC = "clickstream-archive-control"
MONITORING = "clickstream-monitoring"
LOCAL = "localhost"
"""The registry of images that are in none."""

_ANNOTATION = re.compile(r'^  clickstream/(\w+): "?([^"\n]*)"?$', re.MULTILINE)


@dataclass(frozen=True)
class App:
    """An app's Helm release: its name, its chart's folder, and the option that installs it ("" for always)."""

    release: str
    chart: Path
    option: str


def _apps() -> tuple[App, ...]:
    found = {}
    for file in ROOT.glob("charts/*/Chart.yaml"):
        notes = dict(_ANNOTATION.findall(file.read_text(encoding="utf-8")))
        if "order" in notes:
            app = App(notes.get("release", file.parent.name), file.parent, notes.get("option", ""))
            found[int(notes["order"])] = app
    return tuple(found[order] for order in sorted(found))


def version() -> str:
    """Return the version of the packages."""
    text = (ROOT / "apps/core/clickstream_core/__init__.py").read_text(encoding="utf-8")
    return str(re.findall('^__version__ = "(.*)"$', text, re.MULTILINE)[0])


APPS = _apps()
"""In the order of installation."""


def _topics(folder: str) -> tuple[str, ...]:
    return tuple(sorted(each.stem for each in ROOT.glob(f"strimzi/{folder}/*.yaml") if each.stem != "kustomization"))


TOPICS = _topics("base/topics")
"""The names of the KafkaTopics."""

ARCHIVE_TOPICS = _topics("archive/topics")
"""Those of Kafka Connect and its sink, with --archive."""

SCENARIO_TOPICS = _topics("scenarios/topics")
"""With --scenarios."""

ALL_TOPICS = (*TOPICS, *ARCHIVE_TOPICS, *SCENARIO_TOPICS)

RELEASES = tuple(each.release for each in APPS)

USERS = (*RELEASES, "clickstream-connect", "clickstream-scenarios-admin")
"""The names of the KafkaUsers."""

MONITORING_APP = App(MONITORING, ROOT / "monitoring", "monitoring")
"""Dashboard and alert rules."""
