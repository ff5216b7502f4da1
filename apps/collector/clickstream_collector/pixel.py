"""GET /pixel.gif: an event in an image's address, for mail and for pages without scripts.

Parameters are the event's fields; without a page the Referer's is taken, without a type it is a page_view. The image is
the smallest transparent GIF, and it comes when Kafka has the event.
"""

from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering
from clickstream_collector.errors import NotAnEvent, Refused
from clickstream_collector.events import ClientEvent
from clickstream_collector.headers import fields
from clickstream_collector.intake import Intake, LeftOut
from clickstream_core.timestamps import with_plus

_GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_IMAGE = Answer(200, _GIF, [(b"content-type", b"image/gif"), (b"cache-control", b"no-store, private")])
_LONGEST_QUERY = 16_384
_FIELDS = frozenset(ClientEvent.__struct_fields__)
_NO = ("0", "false", "no", "denied")


class Pixel:
    """The endpoint, an ASGI application."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What is not stored by its visitor's wish gets the image all the same."""
        headers = fields(scope["headers"])
        async with answering("pixel", send) as answer:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, f"{scope['method']} is not allowed here; GET is", {"Allow": "GET, HEAD"})
            if scope["method"] == "HEAD":
                await answer(Answer(200, headers=_IMAGE.headers))
                return
            query: bytes = scope["query_string"]
            if len(query) > _LONGEST_QUERY:
                raise Refused(414, f"the address is longer than {_LONGEST_QUERY} bytes")
            peer = scope["client"][0] if scope.get("client") else ""
            visit = self._intake.visit(headers, peer, query)
            self._intake.admit(visit, 1)
            try:
                record = self._intake.record(_candidate(query), visit, headers)
                await self._intake.deliver_one(record, visit)
            except NotAnEvent as error:
                raise Refused(400, str(error)) from error
            except LeftOut:
                pass
            await answer(_IMAGE)


def _candidate(query: bytes) -> dict[str, Any]:
    """Return the event in a query; of repeated parameters the first counts."""
    try:
        pairs = parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Refused(400, f"the query is not UTF-8 percent-encoded: {error}") from error
    candidate: dict[str, Any] = {"event_type": "page_view"}
    candidate |= {name: value for name, value in reversed(pairs) if name in _FIELDS}
    for name in ("timestamp", "sent_at"):
        if name in candidate:
            candidate[name] = with_plus(candidate[name])
    if "duration_ms" in candidate:
        candidate["duration_ms"] = _number(candidate["duration_ms"])
    if "consent" in candidate:
        candidate["consent"] = candidate["consent"].lower() not in _NO
    return candidate


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
