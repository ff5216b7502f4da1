"""The container's process: gives Kafka Connect the archive's connector, and starts again what of it has failed.

CONNECT_URL is the worker's REST interface, CONNECTOR_FILE the connector as JSON ({name, config}), COMMIT_INTERVAL_MS
how often it commits new objects. Runs until it is stopped. Nothing beyond Python is needed.
"""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_PAUSE_S = 10.0


def main() -> None:
    """Put the connector there, then look at it every ten seconds."""
    connector = json.loads(Path(os.environ["CONNECTOR_FILE"]).read_text(encoding="utf-8"))
    url = f"{os.environ['CONNECT_URL']}/connectors/{connector['name']}"
    config = {**connector["config"], "iceberg.control.commit.interval-ms": os.environ["COMMIT_INTERVAL_MS"]}
    said = ""
    created = False
    while True:
        try:
            if not created:
                call("PUT", f"{url}/config", config)
                created = True
                print(f"✓ The connector {connector['name']} is there", flush=True)
            if failure := failure_of(call("GET", f"{url}/status")):
                if failure != said:
                    print(f"✗ The archive stands still, and is started again: {failure}", flush=True)
                call("POST", f"{url}/restart?includeTasks=true&onlyFailed=true")
            said = failure
        except OSError as error:
            print(f"✗ Kafka Connect does not answer yet, or refuses: {reason_of(error)}", flush=True)
        time.sleep(_PAUSE_S)


def failure_of(status: dict[str, Any]) -> str:
    """Return the first line of the trace of what has failed, "" if nothing has."""
    parts = [status["connector"], *status["tasks"]]
    traces = [part.get("trace") or "no reason given" for part in parts if part["state"] == "FAILED"]
    return traces[0].splitlines()[0] if traces else ""


def reason_of(error: OSError) -> str:
    """Return what was wrong, in the worker's words if it gave any."""
    body = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
    return f"{error} {body}".strip()


def call(method: str, url: str, body: dict[str, str] | None = None) -> Any:
    """Return the JSON that Kafka Connect answers, None without an answer's body. Raises OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
    return json.loads(content) if content else None


if __name__ == "__main__":
    main()
