"""Loads windows that each have so many users in each of some partitions; runs in .venv-bench."""

import json
import sys
from datetime import UTC, datetime

from feed import Feed

_EVENT = (
    b'{"event_id":"00000000-0000-4000-8000-%012d","timestamp":"%s.%03dZ","user_id":"user_%d_%d",'
    b'"session_id":"sess_%d_%012x","event_type":"page_view%s","page_url":"/products/%d%s","page_category":"electronics",'
    b'"referrer":"google.com%s","device_type":"mobile%s","country":"US","duration_ms":1500}'
)


def main() -> None:
    """Take broker, topic and the shape as JSON; `longer` makes four names of each event so many characters longer."""
    bootstrap_servers, topic, shape = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    feed = Feed(bootstrap_servers, topic, "lz4")
    users, span_ms = shape["users"], shape["seconds"] * 1000
    for window in range(shape["windows"]):
        start = shape["start"] + window * shape["seconds"]
        for number in range(users):
            second, millisecond = divmod(span_ms * number // users, 1000)
            instant = datetime.fromtimestamp(start + second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
            longer = b"%d" % number + b"x" * shape["longer"] if shape["longer"] else b""
            page = (number % 500, longer)
            for partition in shape["partitions"]:
                ids = (partition, number, partition, number)
                value = _EVENT % (number, instant, millisecond, *ids, longer, *page, longer, longer)
                feed.send(b"%d" % number, value, partition=partition)
    feed.finish()


if __name__ == "__main__":
    main()
