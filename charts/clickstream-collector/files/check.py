"""`helm test`: the collector takes an event from a browser and has it acknowledged, and refuses what it should.

Run with the collector's address and its own settings, of which the first site key and the first allowed origin are
used. The event is a page view of /helm-test and is counted like any other.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

ADDRESS = sys.argv[1]
PATIENCE = 120
# What a browser says of itself; other programs may be taken for bots.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def post(content_type: str, body: bytes) -> tuple[int, str, str]:
    """Post as a page of an allowed site does; return status, answer, and the origin that may read it."""
    key, _, _ = os.environ.get("SITE_KEYS", "").partition(",")
    allowed, _, _ = os.environ.get("ALLOWED_ORIGINS", "*").partition(",")
    origin = "https://helm-test.example" if allowed == "*" else allowed.replace("*", "helm-test", 1)
    request = urllib.request.Request(f"{ADDRESS}/ingest" + (f"?key={key}" if key else ""), data=body, method="POST")
    for name, value in (("Content-Type", content_type), ("Origin", origin), ("User-Agent", BROWSER)):
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found, status, headers = answer.read(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        found, status, headers = error.read(), error.code, error.headers
    readable = headers.get("Access-Control-Allow-Origin", "nobody")
    return status, found.decode().strip(), "allowed" if readable in ("*", origin) else readable


def post_until_acknowledged(event: dict[str, str]) -> None:
    """Post the event, always with its event_id, until Kafka has it; while Kafka is away the answer is 503."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            status, answer, readable = post("application/json", json.dumps(event).encode())
        except OSError as error:
            status, answer, readable = 0, str(error), ""
        if status == 200:
            break
        if status not in (0, 429, 503) or time.monotonic() > deadline:
            sys.exit(f"FAILED: {ADDRESS}/ingest: {status} {answer}")
        time.sleep(1)
    if json.loads(answer).get("status") != "ok":
        sys.exit(f"FAILED: {ADDRESS}/ingest answers {answer}")
    if readable != "allowed":
        sys.exit(f"FAILED: the page may not read the answer, only {readable}")
    print(f"Kafka has acknowledged {event['event_id']}: {answer}")


def main() -> None:
    """Exit with status 0 when an event is acknowledged and a wrong content type is refused."""
    session = {"user_id": "helm-test", "session_id": "helm-test"}
    event = {"event_id": str(uuid.uuid4()), "event_type": "page_view", "path": "/helm-test", **session}
    post_until_acknowledged(event)
    status, answer, _ = post("application/xml", b"<event/>")
    if status != 415:
        sys.exit(f"FAILED: application/xml is answered with {status} {answer} instead of 415")
    print("application/xml is refused with 415")


main()
