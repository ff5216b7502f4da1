"""POST /ingest: one event, or an array of them."""

import asyncio
from operator import itemgetter
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering, json_answer
from clickstream_collector.bodies import Arriving, Held, check_type, read_body
from clickstream_collector.delivery import Record
from clickstream_collector.errors import NotAnEvent, NotJson, Refused
from clickstream_collector.headers import Headers, fields, single
from clickstream_collector.intake import CONSENT, TOO_LARGE_FOR_KAFKA, Intake, LeftOut
from clickstream_collector.origins import preflight
from clickstream_collector.payloads import LARGEST_EVENT, decode_element, mended, parse, text_of, too_large
from clickstream_collector.visits import Visit

_TURN_BYTES = 64_000
"""Bytes of an array that are looked at before other requests have their turn."""

_EVENT_BYTES = 640
"""Bytes that an event counts as beside its own: a small one takes hardly less time."""

_RECORD_BYTES = 600
"""Bytes that a record of an array takes beside what the event says, and what it takes from the page's address."""

_PREFIX, _SUFFIX = b'{"status":"ok","received":', b"}"


class Ingest:
    """The endpoint, an ASGI application."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._arriving = Arriving()
        self._held = Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = fields(scope["headers"])
        origin = single(headers, b"origin").encode("latin-1")
        async with answering("ingest", send, self._intake.origins.headers(origin)) as answer:
            match scope["method"]:
                case "POST":
                    await answer(await self._post(scope, headers, receive))
                case "OPTIONS":
                    if not self._intake.origins.allow(origin):
                        raise Refused(403, "pages of this origin may not send here (ALLOWED_ORIGINS)")
                    await answer(Answer(204, headers=preflight(headers)))
                case method:
                    raise Refused(405, f"{method} is not allowed here; POST is", {"Allow": "POST, OPTIONS"})

    async def _post(self, scope: Scope, headers: Headers, receive: Receive) -> Answer:
        peer = scope["client"][0] if scope.get("client") else ""
        visit = self._intake.visit(headers, peer, scope["query_string"])
        self._intake.admit(visit, 0)  # what would be refused anyway is not read
        check_type(headers)
        body = await read_body(headers, receive, self._arriving)
        with self._held.holding(len(body)):
            return await self._answer(body, visit, headers)

    async def _answer(self, body: bytes, visit: Visit, headers: Headers) -> Answer:
        if not text_of(body):
            raise Refused(400, "the body is empty; expected one event or an array of events, as JSON")
        try:
            value = parse(body)
        except NotJson as error:
            self._intake.admit(visit, 1)
            return await self._raw(body, str(error), visit)
        self._intake.admit(visit, max(1, len(value)) if isinstance(value, list) else 1)
        if isinstance(value, list):
            with self._held.holding(len(value) * (_RECORD_BYTES + len(visit.path) + len(visit.query))):
                return await self._array(value, visit, headers)
        return await self._single(value, body, visit, headers)

    async def _single(self, value: Any, body: bytes, visit: Visit, headers: Headers) -> Answer:
        try:
            if len(body) > LARGEST_EVENT:
                raise Refused(413, str(too_large(len(body))))
            record = self._intake.record(value, visit, headers)
        except NotAnEvent as error:
            raise Refused(400, str(error)) from error
        except LeftOut:
            return Answer(204)
        await self._intake.deliver_one(record, visit)
        return json_answer(200, _PREFIX + mended(text_of(body)) + _SUFFIX)

    async def _array(self, elements: list[msgspec.Raw], visit: Visit, headers: Headers) -> Answer:
        records: list[Record] = []
        places: list[int] = []
        letters: list[Record] = []
        rejected: list[dict[str, Any]] = []
        looked_at = 0
        for index, element in enumerate(elements):
            looked_at += len(memoryview(element)) + _EVENT_BYTES
            if looked_at > _TURN_BYTES:
                looked_at = 0
                await asyncio.sleep(0)
            try:
                records.append(self._intake.record(decode_element(element), visit, headers))
                places.append(index)
                continue
            except (NotAnEvent, LeftOut) as error:
                why = str(error)
            except NotJson as error:
                why = CONSENT if visit.objects else str(error)
                if not visit.objects:
                    which = f"element {index} of an array of {len(elements)}"
                    letters.append(self._intake.dead_letter(bytes(element), f"{error} ({which})"))
            rejected.append({"index": index, "error": why})
        accepted = len(records)
        if records or letters:
            for place in await self._intake.deliver([*records, *letters], visit):
                if place < len(records):  # what is a dead letter is among the rejected already
                    accepted -= 1
                    rejected.append({"index": places[place], "error": TOO_LARGE_FOR_KAFKA})
            rejected.sort(key=itemgetter("index"))
        answer = {"status": "ok", "accepted": accepted, "rejected": rejected}
        return json_answer(200, msgspec.json.encode(answer))

    async def _raw(self, body: bytes, error: str, visit: Visit) -> Answer:
        if visit.objects:
            return Answer(204)
        letter = self._intake.dead_letter(body, error)
        await self._intake.deliver_one(letter, visit)
        text = letter.value.decode("utf-8", "replace")
        return json_answer(200, msgspec.json.encode({"status": "ok", "received": {"raw": text}}))
