"""Runs the processor and its peers on the same events and prints a table for each compression.

Contestants alternate (a b c …, then again) so that changes in the machine's speed affect all of them; the table shows
medians.
"""

import argparse
import subprocess
import sys

from cluster import running_cluster
from contest import CONTESTANTS, Contestant, NotInstalled, Run, RunFailed, describe_records, run
from dataset import Dataset, prepare
from table import command, contest_table, machine
from workspace import BENCH, PYTHON, peers_are_missing


def main() -> int:
    """Run what the arguments say; the exit status is 1 if a contestant failed."""
    letters = [contestant.letter for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(description="Compares the processor with its peers on the same events.")
    parser.add_argument("--events", type=int, default=2_000_000, help="how many events (default 2000000)")
    parser.add_argument("--compression", choices=("none", "lz4", "both"), default="both")
    parser.add_argument("--peers", default=",".join(letters), help=f"which, of {','.join(letters)} (default all)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--quick", action="store_true", help="200,000 uncompressed events, once: does it work?")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.events, chosen.compression, chosen.repeat = 200_000, "none", 1
    wanted = chosen.peers.split(",")
    if unknown := set(wanted) - set(letters):
        parser.error(f"--peers: {','.join(sorted(unknown))} is none of {','.join(letters)}")
    if missing := peers_are_missing():
        parser.error(missing)
    contestants = [contestant for contestant in CONTESTANTS if contestant.letter in wanted]
    dataset, tenth = prepare(chosen.events), prepare(chosen.events // 10)
    compressions = ("none", "lz4") if chosen.compression == "both" else (chosen.compression,)
    tables, failed = [], False
    for compression in compressions:
        with running_cluster() as cluster:
            topics = {each: cluster.load(each, compression) for each in (dataset, tenth)}
            runs: dict[Contestant, list[Run]] = {contestant: [] for contestant in contestants}
            failures: dict[Contestant, str] = {}
            skipped: dict[Contestant, str] = {}
            floors: dict[str, list[float]] = {}
            for turn in range(chosen.repeat):
                for name, rate in _floors(dataset).items():
                    floors.setdefault(name, []).append(rate)
                for contestant in contestants:
                    print(f"{compression} {turn + 1}/{chosen.repeat} {contestant.name}", end=" ", flush=True)
                    try:
                        share = tenth if contestant.slow else dataset
                        done = run(contestant, cluster, share, topics[share])
                    except NotInstalled as error:
                        skipped[contestant] = f"skipped: {error}"
                        print(skipped[contestant])
                        continue
                    except RunFailed as error:
                        failures[contestant] = str(error).splitlines()[0]
                        print(f"failed: {error}", flush=True)
                        continue
                    runs[contestant].append(done)
                    print(f"{done.rate:,.0f} events per CPU second, {done.warm_rate:,.0f} warm, {done.wall:.1f} s")
            failed = failed or bool(failures)
            tables.append(f"Compression: {compression}\n\n{contest_table(runs, skipped | failures, floors)}")
    print(f"\n{command()}\n{machine()}\n{describe_records(dataset)}; median of {chosen.repeat} runs\n")
    print("\n\n".join(tables))
    return 1 if failed else 0


def _floors(dataset: Dataset) -> dict[str, float]:
    """Events per CPU second of mere decoding, by what an event becomes."""
    asked = subprocess.run(
        [PYTHON, BENCH / "contestants" / "decode_floor.py", dataset.lines], capture_output=True, text=True, check=True
    )
    lines = (line.split("\t") for line in asked.stdout.splitlines())
    return {name: float(rate) for name, rate in lines}


if __name__ == "__main__":
    sys.exit(main())
