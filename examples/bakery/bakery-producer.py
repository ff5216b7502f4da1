"""Sends the orders of a bakery to the topic bk-orders: bakery-producer.py [COUNT], one order a second."""

import json
import os
import random
import sys
import time

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

PRICES = {"소금빵": 3200, "식빵": 4500, "크루아상": 3800, "베이글": 3500}  # in won

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
with KafkaProducer(bootstrap_servers=servers, acks="all", max_block_ms=5_000) as producer:
    for number in range(1, count + 1):
        item, quantity = random.choice(list(PRICES)), random.randint(1, 5)
        order = {"order_id": number, "item": item, "quantity": quantity, "total": quantity * PRICES[item]}
        value = json.dumps(order, ensure_ascii=False).encode()
        try:
            written = producer.send("bk-orders", key=item.encode(), value=value).get(timeout=30)
        except KafkaTimeoutError:
            sys.exit(f"{servers} does not answer, or has no topic bk-orders: README.md has the command that makes it")
        print(f"order {number} is in partition {written.partition} at offset {written.offset}: {value.decode()}")
        time.sleep(1 if number < count else 0)
