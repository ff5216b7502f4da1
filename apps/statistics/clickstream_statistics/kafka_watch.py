"""Asks Kafka beside the query whether it answers: Spark waits up to a minute for a broker that hangs, and says nothing.

Two questions in a row without an answer count. A broker of several that hangs is replaced by then.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from clickstream_kafka.connection import start_client
from clickstream_kafka.diagnosis import why_refused
from clickstream_kafka.offsets import partition_count

_PAUSE_S = 2.0
_ANSWER_S = 5.0
_ATTEMPTS = 2

_log = logging.getLogger(__name__)


class KafkaWatch:
    """Asks about `topic` in a thread of its own inside a with statement; `kafka` is aiokafka's configuration.

    `waiting_for` says what is wrong, "" if nothing is. It is logged when it begins and when it ends.
    """

    def __init__(self, kafka: Mapping[str, Any], topic: str, answer_s: float = _ANSWER_S) -> None:
        self._kafka = kafka
        self._topic = topic
        self._answer_s = answer_s
        self._failed = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="kafka-watch", daemon=True)
        self._watching: asyncio.Task[None] | None = None
        self.waiting_for = ""

    def __enter__(self) -> Self:
        self._watching = self._loop.create_task(self._watch())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._loop.call_soon_threadsafe(self._watching.cancel)
            self._thread.join(_PAUSE_S)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            if self._watching is not None:
                self._loop.run_until_complete(self._watching)
        self._loop.close()

    async def _watch(self) -> None:
        while True:
            admin = AIOKafkaAdminClient(**self._kafka, metadata_max_age_ms=5000)
            try:
                async with asyncio.timeout(self._answer_s):
                    await start_client(admin)
                while True:
                    await self._ask(admin)
                    await asyncio.sleep(_PAUSE_S)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._note(error)
            finally:
                with suppress(KafkaError, OSError):
                    await admin.close()
            await asyncio.sleep(_PAUSE_S)

    async def _ask(self, admin: AIOKafkaAdminClient) -> None:
        try:
            async with asyncio.timeout(self._answer_s):
                await partition_count(admin, self._topic)
        except UnknownTopicOrPartitionError:
            self._say(f"topic {self._topic} does not exist; waiting for it to be created")
        else:
            self._failed = 0
            if self.waiting_for:
                _log.warning("Kafka answers again")
            self.waiting_for = ""

    async def _note(self, error: Exception) -> None:
        self._failed += 1
        if self._failed < _ATTEMPTS:
            return
        why = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._answer_s):
                why = await why_refused(self._kafka)
        self._say(why or f"Kafka does not answer: {str(error) or f'nothing within {self._answer_s:g} s'}")

    def _say(self, why: str) -> None:
        if why != self.waiting_for:
            _log.warning("%s", why)
        self.waiting_for = why
