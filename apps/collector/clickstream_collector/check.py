"""What `helm test` runs in a pod of the collector's image: `python -m clickstream_collector.check ADDRESS`.

It passes when an event is acknowledged and another content type is refused. It posts as a page of an allowed site does,
with the first of the collector's site keys and of its allowed origins. The event is a page view of /helm-test and is
counted like any other.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

_PATIENCE_S = 120.0
# Other programs may be taken for bots.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def _post(url: str, content_type: str, body: bytes) -> tuple[int, str, str]:
    """Return status, answer, and the origin that may read it: "allowed" if that is the page's."""
    key, _, _ = os.environ.get("SITE_KEYS", "").partition(",")
    site, _, _ = os.environ.get("ALLOWED_ORIGINS", "*").partition(",")
    origin = "https://helm-test.example" if site == "*" else site.replace("*", "helm-test", 1)
    sent = {"Content-Type": content_type, "Origin": origin, "User-Agent": _BROWSER}
    request = urllib.request.Request(url + (f"?key={key}" if key else ""), body, sent)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text, status, headers = answer.read(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            text, status, headers = error.read(), error.code, error.headers
    readable = headers.get("Access-Control-Allow-Origin", "none")
    return status, text.decode().strip(), "allowed" if readable in ("*", origin) else readable


def _post_until_acknowledged(url: str, event: dict[str, str], deadline: float, pause_s: float) -> None:
    """Post the event, always with its event_id, until Kafka has it; while Kafka is away the answer is 503."""
    while True:
        try:
            status, answer, readable = _post(url, "application/json", json.dumps(event).encode())
        except OSError as error:
            status, answer, readable = 0, str(error), ""
        if status == 200:
            break
        if status not in (0, 429, 503) or time.monotonic() > deadline:
            sys.exit(f"FAILED: {url}: {status} {answer}")
        time.sleep(pause_s)
    if json.loads(answer).get("status") != "ok":
        sys.exit(f"FAILED: {url} answers {answer}")
    if readable != "allowed":
        sys.exit(f"FAILED: the page may not read the answer (allowed origin: {readable})")
    print(f"Kafka has acknowledged {event['event_id']}: {answer}")


def check(address: str, patience_s: float = _PATIENCE_S, pause_s: float = 1.0) -> None:
    """Return when the collector behaves as it should; exit with the reason when it does not."""
    url = f"{address}/ingest"
    session = {"user_id": "helm-test", "session_id": "helm-test"}
    event = {"event_id": str(uuid.uuid4()), "event_type": "page_view", "path": "/helm-test", **session}
    _post_until_acknowledged(url, event, time.monotonic() + patience_s, pause_s)
    status, answer, _ = _post(url, "application/xml", b"<event/>")
    if status != 415:
        sys.exit(f"FAILED: application/xml is answered with {status} {answer} instead of 415")
    print("application/xml is refused with 415")


if __name__ == "__main__":
    check(sys.argv[1])
