"""The loop that tutorials show: kstreams' `async for`, json.loads, dicts and sets, windows by the wall clock.

It reads the clock at every event, opens a window at its first event and closes it at the first event after its end. So
its windows differ from the others', and only the sum of the events can be compared. The usual loop would never write
its last window: here it is written when all events are counted.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from kstreams import Stream, create_engine
from kstreams.backends.kafka import Kafka

from job import WINDOW_SECONDS, Job, Progress, read_job
from tally import Tally


class ClockWindow:
    """The window that is open, by the clock."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.start = datetime.now(UTC)
        self.end = self.start + timedelta(seconds=WINDOW_SECONDS)

    def add(self, event: dict[str, Any]) -> bool:
        """Count the event; whether the window is over."""
        self.tally.add(event)
        return datetime.now(UTC) >= self.end

    def result(self) -> bytes:
        """The window's record."""
        return self.tally.result(int(self.start.timestamp()))


async def count(job: Job) -> None:
    """Run until the process is told to end."""
    engine = create_engine(title="plain-loop", backend=Kafka(bootstrap_servers=[job.bootstrap_servers]))
    progress = Progress(job.events)

    @engine.stream(job.source, group_id=job.group_id, auto_offset_reset="earliest")
    async def process(stream: Stream) -> None:
        window = ClockWindow()
        counted = 0
        async for record in stream:
            over = window.add(json.loads(record.value.decode()))
            counted += 1
            if counted == progress.due:
                progress.tell(counted)
            if over or counted == job.events:
                await engine.send(job.sink, value=window.result())
                window = ClockWindow()

    await engine.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(count(read_job()))
