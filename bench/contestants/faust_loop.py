"""Faust (faust-streaming): an agent that takes one event after the other, maps in memory, on its aiokafka driver."""

import sys

import faust  # type: ignore[import-not-found]
import orjson  # type: ignore[import-not-found]

from job import Job, Progress, read_job
from tally import Windows


def application(job: Job) -> "faust.App":
    """The Faust app with its agent."""
    app = faust.App(
        job.group_id,
        broker=f"kafka://{job.bootstrap_servers}",
        value_serializer="raw",
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        web_enabled=False,
        stream_buffer_maxsize=16384,
        broker_max_poll_records=5000,
        datadir=job.state_dir,
    )
    source = app.topic(job.source, value_type=bytes, value_serializer="raw")
    sink = app.topic(job.sink, value_type=bytes, value_serializer="raw")
    windows, progress = Windows(), Progress(job.events)

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def count(stream: "faust.Stream") -> None:
        counted = 0
        async for event in stream.events():
            closed = windows.add(orjson.loads(event.value), event.message.partition)
            counted += 1
            if counted == progress.due:
                progress.tell(counted)
            for result in closed:
                await sink.send(value=result)

    return app


if __name__ == "__main__":
    sys.argv = ["faust", "-L", "uvloop", "worker", "--loglevel=warn", "--without-web"]
    application(read_job()).main()
