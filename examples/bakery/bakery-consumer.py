"""Prints the bakery's orders from the topic bk-orders until Ctrl+C."""

import itertools
import json
import os
import signal

from kafka import KafkaConsumer

servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
stops: list[int] = []
signal.signal(signal.SIGINT, lambda number, frame: stops.append(number))
signal.signal(signal.SIGTERM, lambda number, frame: stops.append(number))
with KafkaConsumer(
    "bk-orders", bootstrap_servers=servers, group_id="bakery", auto_offset_reset="earliest", enable_auto_commit=False
) as consumer:
    while not stops:
        polled = consumer.poll(timeout_ms=500)
        for record in itertools.chain(*polled.values()):
            text = (record.value or b"").decode(errors="replace")
            try:
                order = json.loads(text)
                print(f"{order['quantity']} x {order['item']}, {order['total']:,} won", flush=True)
            except (ValueError, KeyError, TypeError):
                print(f"not an order: {text}", flush=True)
        if polled:
            consumer.commit()  # only now: what was read but not printed is read again after a crash
print("closed")
