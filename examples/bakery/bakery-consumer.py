"""Prints the bakery's orders from the topic bk-orders, each once its predecessors are done, until Ctrl+C."""

import json
import os

from kafka import KafkaConsumer

servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
with KafkaConsumer(
    "bk-orders", bootstrap_servers=servers, group_id="bakery", auto_offset_reset="earliest", enable_auto_commit=False
) as consumer:
    try:
        for record in consumer:
            text = (record.value or b"").decode(errors="replace")
            try:
                order = json.loads(text)
                print(f"{order['quantity']} x {order['item']}, {order['total']:,} won", flush=True)
            except (ValueError, KeyError, TypeError):
                print(f"not an order: {text}", flush=True)
            consumer.commit()  # only now: what was read but not printed is read again after a crash
    except KeyboardInterrupt:
        print("closed")
