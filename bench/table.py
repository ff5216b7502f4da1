"""The report: the machine, the versions, and a Markdown table of medians."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import cargo
import jvm
from clickstream_local.jars import KAFKA_VERSION
from clickstream_local.java import find_java
from contest import Contestant, Run
from workspace import PEERS_PYTHON, PYTHON

_PEERS = ("aiokafka", "bytewax", "confluent-kafka", "faust-streaming", "quixstreams")
_OURS = ("aiokafka", "kafka-python", "kstreams", "msgspec", "uvloop")


def machine() -> str:
    """Cores, CPU model and memory, then versions, in two lines."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run([find_java(), "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    versions = [
        f"Python {platform.python_version()}",
        f"Kafka {KAFKA_VERSION}",
        f"Kafka Streams {jvm.KAFKA_STREAMS}",
        java,
        *cargo.versions(),
        *_versions(PYTHON, _OURS),
        *(f"{each} (peers)" if each.startswith("aiokafka") else each for each in _versions(PEERS_PYTHON, _PEERS)),
    ]
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GiB, {platform.system()}\n{', '.join(versions)}"


def _versions(python: Path, packages: Sequence[str]) -> list[str]:
    ask = "from importlib.metadata import distributions as d; print(*(f'{e.name}=={e.version}' for e in d()))"
    asked = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    return [each.replace("==", " ") for each in sorted(asked.stdout.split()) if each.partition("==")[0] in packages]


def command() -> str:
    """The command line, as typed."""
    return " ".join(["python", "bench/" + Path(sys.argv[0]).name, *sys.argv[1:]])


def contest_table(
    runs: Mapping[Contestant, Sequence[Run]], reasons: Mapping[Contestant, str], floors: Mapping[str, Sequence[float]]
) -> str:
    """The medians of all runs, or why there are none.

    How many times as fast our first contestant is: events per CPU second of the whole run, after warm-up, and the run's
    time on the clock. `floors` is mere decoding, events per CPU second by what an event becomes.
    """
    us, ours = next(((each, done) for each, done in runs.items() if each.counting and done), (None, ()))
    letter = us.letter if us else ""
    rows = [
        f"| | contestant | runs | events / CPU s | warm | ({letter}): CPU/warm/wall | wall s | CPU s | peak MiB | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for contestant, done in runs.items():
        if not done:
            rows.append(f"| {contestant.letter} | {contestant.name} | 0 | | | | | | | {reasons[contestant]} |")
            continue
        rate, warm, wall = (median(each) for each in zip(*((r.rate, r.warm_rate, r.wall) for r in done), strict=True))
        ratio = ""
        if ours:
            whole, second_half = median(run.rate for run in ours) / rate, median(run.warm_rate for run in ours) / warm
            ratio = f"{whole:.2f} / {second_half:.2f} / {wall / median(run.wall for run in ours):.2f}"
        rows.append(
            f"| {contestant.letter} | {contestant.name} | {len(done)} | {rate:,.0f} | {warm:,.0f} "
            f"| {ratio} | {wall:.1f} | {median(run.cpu for run in done):.1f} "
            f"| {median(run.ended.peak_bytes for run in done) / 2**20:.0f} | {contestant.note}{_share(contestant)} |"
        )
    for name, rates in floors.items():
        share = f"({letter}) is {median(run.rate for run in ours) / median(rates):.0%} of it" if ours else ""
        rows.append(
            f"| | decoding into {name} | {len(rates)} | {median(rates):,.0f} | | {share} | | | | msgspec alone |"
        )
    return "\n".join(rows)


def _share(contestant: Contestant) -> str:
    return "; a tenth of the events" if contestant.slow else ""
