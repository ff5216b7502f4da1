"""All benchmarks one after the other, each in a process of its own, and one report at the end: `make bench`.

Each one's file says what it measures, and has its options: `python bench/peers.py --help`. Options that are not known
here are those of peers.py, which then runs alone: `make bench ARGS="--peers a,b --repeat 1"`.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from workspace import BENCH, PYTHON

_MACHINE_LINES = 2
"""Lines that every script prints of the machine and the versions, behind its command line."""


@dataclass(frozen=True)
class Measurement:
    """A script, the arguments of its short run, and a program or a module that it requires."""

    name: str
    quick: tuple[str, ...]
    program: str = ""
    module: str = ""


# The comparison with the peers comes last, so that its table is at the end of the output.
_MEASUREMENTS = (
    Measurement("stages", ("--events", "200000")),
    Measurement("shapes", ("--events", "10000", "--repeat", "1"), module="clickstream_native"),
    Measurement("latency", ("--windows", "5")),
    Measurement("recovery", ("--events", "200000")),
    Measurement("memory", ("--ids", "1000000")),
    Measurement("scaling", ("--events", "2000000", "--replicas", "1,2")),
    Measurement("archiving", ("--events", "200000")),
    Measurement("compacting", ("--events", "200000")),
    Measurement("producing", ("--seconds", "3")),
    Measurement("collecting", ("--seconds", "3"), program="wrk"),
    Measurement("judging", ("--requests", "100000")),
    Measurement("listing", ("--repeat", "2"), program="chromium"),
    Measurement("summing", ("--results", "50000")),
    Measurement("peers", ("--quick",)),
)


def main() -> int:
    """Run what the arguments say; the exit status is 1 if a benchmark failed."""
    names = [measurement.name for measurement in _MEASUREMENTS]
    parser = argparse.ArgumentParser(
        description="The benchmarks, with peers, and one report at the end (20 to 40 minutes on 2 cores).",
        epilog="Any other option is one of peers.py, which then runs alone.",
    )
    parser.add_argument("--only", metavar="NAMES", help=f"which, of {','.join(names)} (default all)")
    parser.add_argument("--quick", action="store_true", help="little data: does it work?")
    chosen, of_peers = parser.parse_known_args()
    wanted = chosen.only.split(",") if chosen.only else ["peers"] if of_peers else names
    if unknown := set(wanted) - set(names):
        parser.error(f"--only: {','.join(sorted(unknown))} is none of {','.join(names)}")
    if of_peers and "peers" not in wanted:
        parser.error(f"{of_peers[0]} is no option of {chosen.only}; see python bench/{wanted[0]}.py --help")
    report, failed = [], []
    for measurement in _MEASUREMENTS:
        if measurement.name not in wanted:
            continue
        print(f"-- {measurement.name}", flush=True)
        if measurement.program and shutil.which(measurement.program) is None:
            report.append(f"{measurement.name}: skipped, {measurement.program} is not installed")
            continue
        if measurement.module and find_spec(measurement.module) is None:
            report.append(f"{measurement.name}: skipped, {measurement.module} is not installed")
            continue
        arguments = [*(measurement.quick if chosen.quick else ()), *(of_peers if measurement.name == "peers" else ())]
        status, lines = _run(measurement.name, arguments)
        if status:
            failed.append(measurement.name)
        report.append(_result(lines, machine=not report) or f"{measurement.name}: failed with status {status}")
    print("\n-- report\n")
    print("\n\n".join(report))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run the script, show its output, and return exit status and output."""
    lines: list[str] = []
    with subprocess.Popen([PYTHON, BENCH / f"{name}.py", *arguments], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        try:
            for line in script.stdout:
                print(line, end="", flush=True)
                lines.append(line.rstrip("\n"))
        except BaseException:
            script.terminate()
            raise
    return script.returncode, lines


def _result(lines: Sequence[str], *, machine: bool) -> str:
    """What the script printed from its command line on, which each prints when it has measured, `machine` or not."""
    start = next((number for number, line in enumerate(lines) if line.startswith("python bench/")), len(lines))
    result = lines[start:]
    return "\n".join(result if machine else [*result[:1], *result[1 + _MACHINE_LINES :]])


if __name__ == "__main__":
    sys.exit(main())
