"""The obvious endpoint: FastAPI with one awaited send for each event; runs in .venv-bench.

Started by uvicorn: `uvicorn collect_fastapi:app`, with KAFKA_BOOTSTRAP_SERVERS and EVENTS_TOPIC in the environment.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request  # type: ignore[import-not-found]

producer: AIOKafkaProducer


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Keep a producer as long as the application lives."""
    global producer
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
    )
    async with producer:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/ingest")  # type: ignore[untyped-decorator]
async def ingest(request: Request) -> dict[str, Any]:
    """Send the event, or each event of an array, and wait for its acknowledgement."""
    payload = await request.json()
    for event in payload if isinstance(payload, list) else [payload]:
        value = json.dumps(event).encode()
        await producer.send_and_wait(os.environ["EVENTS_TOPIC"], value, event["user_id"].encode())
    return {"status": "ok", "received": payload}
