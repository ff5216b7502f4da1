"""Loads events of which no two have a user, a session or a page in common; runs in .venv-bench.

They lie in one minute of event time, a day and an hour ago, so that their window of one day is over.
"""

import sys
import time
from datetime import UTC, datetime

from feed import Feed

_AGE = 25 * 60 * 60

_EVENT = (
    b'{"event_id":"00000000-0000-4000-8000-%012d","timestamp":"%s:%02d.%03dZ","user_id":"user_%d%s",'
    b'"session_id":"sess_%012x%s","event_type":"page_view","page_url":"/products/item-%d%s","page_category":"electronics",'
    b'"referrer":"google.com","device_type":"mobile","country":"US","duration_ms":1500}'
)


def main() -> None:
    """Take broker, topic, number of events, and by how many characters each id and URL is longer than it has to be."""
    bootstrap_servers, topic, events, longer = sys.argv[1], sys.argv[2], int(sys.argv[3]), b"x" * int(sys.argv[4])
    minute = datetime.fromtimestamp(time.time() - _AGE, UTC).strftime("%Y-%m-%dT%H:%M").encode()
    feed = Feed(bootstrap_servers, topic, "lz4")
    for number in range(events):
        second, millisecond = divmod(60_000 * number // events, 1000)
        texts = (number, longer, number, longer, number, longer)
        value = _EVENT % (number, minute, second, millisecond, *texts)
        feed.send(b"user_%d" % number, value)
    feed.finish()


if __name__ == "__main__":
    main()
