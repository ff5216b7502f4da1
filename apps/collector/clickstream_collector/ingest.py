"""POST /ingest: one event, or an array of them."""

import asyncio
from operator import itemgetter
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering, json_answer
from clickstream_collector.batches import Record
from clickstream_collector.bodies import Arriving, Held, check_type, discard_body, read_body
from clickstream_collector.errors import Excluded, NotAnEvent, NotJson, Refused, TryAgain
from clickstream_collector.headers import Headers, fields, single
from clickstream_collector.origins import preflight
from clickstream_collector.payloads import MAX_EVENT_BYTES, decode_element, parse, text_of, too_large, with_whole_pairs
from clickstream_collector.pipeline import CONSENT, TOO_LARGE_FOR_KAFKA, Pipeline
from clickstream_collector.request_info import RequestInfo

_TURN_BYTES = 64_000  # of an array, parsed before other requests get their turn
_EVENT_BYTES = 640  # added to an event's size, because a small one takes hardly less time
_RECORD_BYTES = 600  # of a record in memory, beside the event's own bytes and those from the page's address
_PREFIX, _SUFFIX = b'{"status":"ok","received":', b"}"


class Ingest:
    """The endpoint, an ASGI application."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._arriving = Arriving()
        self._held = Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = fields(scope["headers"])
        origin = single(headers, b"origin").encode("latin-1")
        async with answering("ingest", send, self._pipeline.origins.headers(origin)) as answer:
            match scope["method"]:
                case "POST":
                    await answer(await self._post(scope, headers, receive))
                case "OPTIONS":
                    if not self._pipeline.origins.allow(origin):
                        raise Refused(403, "pages of this origin may not send here (ALLOWED_ORIGINS)")
                    await answer(Answer(204, headers=preflight(headers)))
                case method:
                    raise Refused(405, f"{method} is not allowed here; use POST", {"Allow": "POST, OPTIONS"})

    async def _post(self, scope: Scope, headers: Headers, receive: Receive) -> Answer:
        peer = scope["client"][0] if scope.get("client") else ""
        info = self._pipeline.request_info(headers, peer, scope["query_string"])
        try:
            self._pipeline.admit(info, 0)  # do not keep a body that would be refused
        except TryAgain:
            await discard_body(receive)
            raise
        check_type(headers)
        body = await read_body(headers, receive, self._arriving)
        with self._held.holding(len(body)):
            return await self._answer(body, info, headers)

    async def _answer(self, body: bytes, info: RequestInfo, headers: Headers) -> Answer:
        if not text_of(body):
            raise Refused(400, "the body is empty; expected one event or an array of events, as JSON")
        try:
            value = parse(body)
        except NotJson as error:
            self._pipeline.admit(info, 1)
            return await self._raw(body, str(error), info)
        self._pipeline.admit(info, max(1, len(value)) if isinstance(value, list) else 1)
        if isinstance(value, list):
            with self._held.holding(len(value) * (_RECORD_BYTES + len(info.path) + len(info.query))):
                return await self._array(value, info, headers)
        return await self._single(value, body, info, headers)

    async def _single(self, value: Any, body: bytes, info: RequestInfo, headers: Headers) -> Answer:
        try:
            if len(body) > MAX_EVENT_BYTES:
                raise Refused(413, str(too_large(len(body))))
            record = self._pipeline.record(value, info, headers)
        except NotAnEvent as error:
            raise Refused(400, str(error)) from error
        except Excluded:
            return Answer(204)
        await self._pipeline.deliver_one(record, info)
        return json_answer(200, _PREFIX + with_whole_pairs(text_of(body)) + _SUFFIX)

    async def _array(self, elements: list[msgspec.Raw], info: RequestInfo, headers: Headers) -> Answer:
        records: list[Record] = []
        places: list[int] = []
        dead_letters: list[Record] = []
        rejected: list[dict[str, Any]] = []
        looked_at = 0
        for index, element in enumerate(elements):
            looked_at += len(memoryview(element)) + _EVENT_BYTES
            if looked_at > _TURN_BYTES:
                looked_at = 0
                await asyncio.sleep(0)
            try:
                records.append(self._pipeline.record(decode_element(element), info, headers))
                places.append(index)
                continue
            except (NotAnEvent, Excluded) as error:
                why = str(error)
            except NotJson as error:
                why = CONSENT if info.objects else str(error)
                if not info.objects:
                    which = f"element {index} of an array of {len(elements)}"
                    dead_letters.append(self._pipeline.dead_letter(bytes(element), f"{error} ({which})"))
            rejected.append({"index": index, "error": why})
        accepted = len(records)
        if records or dead_letters:
            for place in await self._pipeline.deliver([*records, *dead_letters], info):
                if place < len(records):  # a dead letter is in `rejected` already
                    accepted -= 1
                    rejected.append({"index": places[place], "error": TOO_LARGE_FOR_KAFKA})
            rejected.sort(key=itemgetter("index"))
        answer = {"status": "ok", "accepted": accepted, "rejected": rejected}
        return json_answer(200, msgspec.json.encode(answer))

    async def _raw(self, body: bytes, error: str, info: RequestInfo) -> Answer:
        if info.objects:
            return Answer(204)
        letter = self._pipeline.dead_letter(body, error)
        await self._pipeline.deliver_one(letter, info)
        text = letter.value.decode("utf-8", "replace")
        return json_answer(200, msgspec.json.encode({"status": "ok", "received": {"raw": text}}))
