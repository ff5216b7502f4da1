"""What `helm test` runs in a pod of the app's image: `python -m clickstream_core.check ADDRESS [METRIC]`.

It passes when /readyz answers with status 200 and, where one is named, every series of METRIC rises on one replica.
Replicas share the address, so numbers are compared by the start time of the process that served them.
`clickstream_consumer.check` and `clickstream_collector.check` are the checks of the apps that have no such metric.
"""

import sys
import time
import urllib.error
import urllib.request

_PATIENCE_S = 120.0
_PROCESS = "process_start_time_seconds"


def get(url: str, deadline: float, pause_s: float = 1.0) -> str:
    """Return the page as soon as it is served with status 200; exit when that is not before `deadline` (monotonic)."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                reason = f"{error.code} {error.read().decode().strip()}"
        except OSError as error:
            reason = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {url}: {reason}")
        time.sleep(pause_s)


def wait_until_ready(address: str, deadline: float, pause_s: float = 1.0) -> None:
    print(f"{address}/readyz: {get(f'{address}/readyz', deadline, pause_s).strip()}")


def check(address: str, metric: str, patience_s: float = _PATIENCE_S, pause_s: float = 1.0) -> None:
    """Return when the app is ready and the metric rises; exit with the reason when that takes longer."""
    deadline = time.monotonic() + patience_s
    wait_until_ready(address, deadline, pause_s)
    first: dict[float, dict[str, float]] = {}
    while time.monotonic() < deadline:
        page = get(f"{address}/metrics", deadline, pause_s)
        numbers = {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
            if name.startswith((metric, _PROCESS))
        }
        before = first.setdefault(numbers.pop(_PROCESS), numbers)
        if numbers and all(value > before.get(name, value) for name, value in numbers.items()):
            print(f"{metric} rises ({len(numbers)} series)")
            return
        time.sleep(pause_s)
    sys.exit(f"FAILED: {metric} did not rise within {patience_s:g} s, first seen: {first}; the app's log says why")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        check(sys.argv[1], sys.argv[2])
    else:
        wait_until_ready(sys.argv[1], time.monotonic() + _PATIENCE_S)
