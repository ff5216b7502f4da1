"""`helm test`: the processor is ready, and its watermarks move on. Run with the processor's address.

A watermark moves when events come and, after IDLE_TIMEOUT without any, with the clock; when it stands still, no window
closes any more.
"""

import sys
import time
import urllib.error
import urllib.request

ADDRESS = sys.argv[1]
PATIENCE = 120
WATERMARK = "clickstream_streams_watermark_timestamp_seconds"
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
    """Exit with status 0 when all watermarks of a replica have moved."""
    deadline = time.monotonic() + PATIENCE
    print(f"{ADDRESS}/readyz: {page('/readyz', deadline).strip()}")
    first: dict[str, dict[str, float]] = {}
    while time.monotonic() < deadline:
        lines = (line.rpartition(" ") for line in page("/metrics", deadline).splitlines() if line[:1] not in ("", "#"))
        numbers = {name: float(value) for name, _, value in lines}
        watermarks = {name: value for name, value in numbers.items() if name.startswith(WATERMARK)}
        before = first.setdefault(str(numbers[WHOSE]), watermarks)
        if watermarks and all(value > before.get(name, value) for name, value in watermarks.items()):
            print(f"the watermarks of {len(watermarks)} partitions move")
            return
        time.sleep(1)
    sys.exit(
        f"FAILED: the watermarks did not move within {PATIENCE} s, last seen: {first}; the processor's log says why"
    )


main()
