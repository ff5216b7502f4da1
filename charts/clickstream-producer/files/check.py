"""`helm test`: the producer is ready, and Kafka acknowledges what it sends. Run with the producer's address."""

import sys
import time
import urllib.error
import urllib.request

ADDRESS = sys.argv[1]
PATIENCE = 120
ACKNOWLEDGED = "clickstream_producer_events_acknowledged_total"
# Replicas share the address; this tells whose numbers an answer holds.
WHOSE = "process_start_time_seconds"


def page(path: str, deadline: float) -> str:
    """Return the page, as soon as it is served with status 200."""
    while True:
        try:
            with urllib.request.urlopen(ADDRESS + path, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.read().decode().strip()}"
        except OSError as error:
            why = str(error)
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {ADDRESS}{path}: {why}")
        time.sleep(1)


def main() -> None:
    """Exit with status 0 when events flow."""
    deadline = time.monotonic() + PATIENCE
    print(f"{ADDRESS}/readyz: {page('/readyz', deadline).strip()}")
    first: dict[str, float] = {}
    while time.monotonic() < deadline:
        lines = (line.rpartition(" ") for line in page("/metrics", deadline).splitlines() if line[:1] not in ("", "#"))
        numbers = {name: float(value) for name, _, value in lines}
        acknowledged = numbers[ACKNOWLEDGED]
        before = first.setdefault(str(numbers[WHOSE]), acknowledged)
        if acknowledged > before:
            print(f"Kafka acknowledged {acknowledged - before:.0f} events meanwhile, {acknowledged:.0f} altogether")
            return
        time.sleep(1)
    sys.exit(f"FAILED: {ACKNOWLEDGED} did not rise within {PATIENCE} s; the producer's log says why")


main()
