"""The collector without sockets and Kafka: the application in this process, with a fake producer."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from clickstream_collector.application import Collector
from clickstream_collector.settings import CollectorSettings
from clickstream_core.settings import read_settings

EVENTS, DEAD_LETTERS = "clickstream-events", "clickstream-dead-letters"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_BATCH_BYTES = 256 * 1024


def read(*argv: str, **environ: str) -> CollectorSettings:
    """The settings as the command line and the environment give them."""
    return read_settings(CollectorSettings, prog="clickstream-collector", description="", argv=argv, environ=environ)


@dataclass(frozen=True)
class Written:
    """A record in a batch; `timestamp` in milliseconds since the epoch."""

    timestamp: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class FakeBuilder:
    """aiokafka's own batch, which refuses what Kafka's format does not hold, and a list of what is in it."""

    def __init__(self, batch_bytes: int) -> None:
        self._builder = BatchBuilder(batch_bytes, 0)
        self.records: list[Written] = []

    def append(self, *, timestamp: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> Any:
        """Add a record; None when the batch is full."""
        added = self._builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
        if added is not None:
            self.records.append(Written(timestamp, key, value, headers))
        return added

    def close(self) -> None:
        """Accept no more records."""
        self._builder.close()

    def closed(self) -> bool:
        """Whether it accepts no more records."""
        return bool(self._builder.closed())

    def _build(self) -> bytes:
        return bytes(self._builder._build())


@dataclass
class Sent:
    """A batch that was sent; `acknowledged` gets Kafka's answer."""

    topic: str
    partition: int
    records: list[Written]
    acknowledged: "asyncio.Future[None]"


@dataclass
class FakeProducer:
    """Accepts batches, and acknowledges them at once while `answers`.

    `errors` are raised by the next sends, one each; `refusal` is what Kafka answers instead of an acknowledgement;
    batches of more than `max_message_bytes` are too large for the topic.
    """

    answers: bool = True
    errors: list[Exception] = field(default_factory=list)
    refusal: Exception | None = None
    batch_bytes: int = _BATCH_BYTES
    max_message_bytes: int = 2**30
    batches: list[Sent] = field(default_factory=list)

    def create_batch(self) -> FakeBuilder:
        """Return an empty batch."""
        return FakeBuilder(self.batch_bytes)

    async def send_batch(self, builder: FakeBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        """Accept a batch and return the future of its acknowledgement."""
        if self.errors:
            raise self.errors.pop(0)
        sent = Sent(topic, partition, builder.records, asyncio.get_running_loop().create_future())
        if len(builder._build()) > self.max_message_bytes:
            sent.acknowledged.set_exception(MessageSizeTooLargeError())
            return sent.acknowledged
        self.batches.append(sent)
        if self.refusal is not None:
            sent.acknowledged.set_exception(self.refusal)
        elif self.answers:
            sent.acknowledged.set_result(None)
        return sent.acknowledged

    def acknowledge(self) -> None:
        """Acknowledge what was sent so far."""
        for sent in self.batches:
            if not sent.acknowledged.done():
                sent.acknowledged.set_result(None)

    def written(self, topic: str = EVENTS) -> list[Written]:
        """All records of the topic."""
        return [record for sent in self.batches if sent.topic == topic for record in sent.records]

    def events(self) -> list[dict[str, Any]]:
        """The events that were sent, decoded."""
        return [json.loads(record.value) for record in self.written()]


@dataclass(frozen=True)
class Reply:
    """A response of the application; headers by their lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON value."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)

    def error(self) -> str:
        """The error message in the answer."""
        value = self.json()
        assert value["status"] == "error", self
        return str(value["error"])


class InProcess:
    """Sends requests as an ASGI server would; the application writes to `producer`."""

    def __init__(self, settings: CollectorSettings, runner: asyncio.Runner) -> None:
        collector = Collector(settings)
        self.application = collector.application()
        self.producer = FakeProducer()
        self.peer = "127.0.0.1"
        self._runner = runner
        self._delivery = collector._delivery
        self._pipeline = collector._pipeline
        for topic in (EVENTS, DEAD_LETTERS):
            self._delivery.set_partitions(topic, 6)
        self.connect()

    def connect(self) -> None:
        """Kafka becomes available."""
        self._delivery.connect(self.producer)

    def disconnect(self) -> None:
        """Kafka becomes unavailable."""
        self._delivery.connect(None)

    def close(self) -> None:
        """End the lanes."""
        self._runner.run(self._delivery.close())

    def post(self, body: object, target: str = "/ingest", **headers: str) -> Reply:
        """POST bytes, or a value encoded as JSON."""
        return self.ask("POST", target, body if isinstance(body, bytes) else json.dumps(body).encode(), **headers)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        """Send a request, by default as a browser. Underscores in the names of `headers` become hyphens."""
        named = {"user-agent": BROWSER, **{name.replace("_", "-").lower(): text for name, text in headers.items()}}
        return self.ask_raw(method, target, [body], [(name.encode(), text.encode()) for name, text in named.items()])

    def ask_raw(self, method: str, target: str, parts: list[bytes], headers: list[tuple[bytes, bytes]]) -> Reply:
        """Send a request with the body in parts and unchanged headers; without parts the client disconnects."""
        return self._runner.run(self._ask(method, target, parts, headers))

    async def _ask(self, method: str, target: str, parts: list[bytes], headers: list[tuple[bytes, bytes]]) -> Reply:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": query.encode("utf-8", "surrogateescape"),
            "root_path": "",
            "headers": headers,
            "client": (self.peer, 50_000),
            "server": ("127.0.0.1", 8080),
        }
        waiting = list(parts)
        answer: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            answer.append(message)

        await self.application(scope, receive, send)
        assert [message["type"] for message in answer] == ["http.response.start", "http.response.body"], answer
        found = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer[0]["headers"]}
        assert all(name == name.lower() for name in found)
        return Reply(answer[0]["status"], found, answer[1]["body"])


@contextmanager
def in_process(**environ: str) -> Iterator[InProcess]:
    """The application with these settings; LIMIT is off unless given."""
    with asyncio.Runner() as runner:
        site = InProcess(read(**{"VISITOR_SECRET": "a secret of the tests", "LIMIT": "off", **environ}), runner)
        yield site
        site.close()


class Clock:
    """A clock in seconds that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def milliseconds(self) -> int:
        """The same as a wall clock."""
        return round(self.now * 1000)
