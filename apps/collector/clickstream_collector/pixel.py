"""An event in the address of an image: GET /pixel.gif, and GET /{scenario_id}, the tracking request of a scenario.

/pixel.gif is for mail and for pages without scripts. Its parameters are the event's fields; the default page is the
Referer's, the default type page_view. A tracking request is the one that NGINX would log (docs/scenarios.md): `url`
and `urlref` are its page and referrer, its type is `scenario` unless it names one, and all that it has is kept in
`parameters`, decoded as the scenarios decode an access log. The image is the smallest transparent GIF, and it is sent
when Kafka has the event.
"""

from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering
from clickstream_collector.errors import Excluded, NotAnEvent, Refused
from clickstream_collector.events import FIELDS
from clickstream_collector.headers import fields
from clickstream_collector.pipeline import Pipeline
from clickstream_core.query_parameters import decode, parameters
from clickstream_core.timestamps import with_plus

_GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_IMAGE = Answer(200, _GIF, [(b"content-type", b"image/gif"), (b"cache-control", b"no-store, private")])
_MAX_QUERY_BYTES = 16_384
_FIELDS = FIELDS - {"scenario"}
_NO = ("0", "false", "no", "denied")


class Pixel:
    """The endpoint, an ASGI application."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. An event that is not stored because its visitor objects gets the image too."""
        headers = fields(scope["headers"])
        async with answering("pixel", send) as answer:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, f"{scope['method']} is not allowed here; use GET", {"Allow": "GET, HEAD"})
            if scope["method"] == "HEAD":
                await answer(Answer(200, headers=_IMAGE.headers))
                return
            query: bytes = scope["query_string"]
            scenario = scope["path_params"].get("scenario")
            candidate = _candidate if scenario is None else partial(_tracked, scenario)
            if len(query) > _MAX_QUERY_BYTES:
                raise Refused(414, f"the address is longer than {_MAX_QUERY_BYTES} bytes")
            peer = scope["client"][0] if scope.get("client") else ""
            info = self._pipeline.request_info(headers, peer, query)
            self._pipeline.admit(info, 1)
            try:
                record = self._pipeline.record(candidate(query), info, headers)
                await self._pipeline.deliver_one(record, info)
            except NotAnEvent as error:
                raise Refused(400, str(error)) from error
            except Excluded:
                pass
            await answer(_IMAGE)


def _candidate(query: bytes) -> dict[str, Any]:
    """Return the event in a query; the first of repeated parameters counts."""
    try:
        pairs = parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Refused(400, f"the query is not UTF-8 percent-encoded: {error}") from error
    candidate: dict[str, Any] = {"event_type": "page_view"}
    candidate |= {name: value for name, value in reversed(pairs) if name in _FIELDS}
    return _typed(candidate)


def _tracked(scenario: str, query: bytes) -> dict[str, Any]:
    """Return the event of a tracking request; the first of repeated parameters counts."""
    found = {name: decode(value) for name, value in parameters(query.decode("latin-1")).items()}
    candidate: dict[str, Any] = {
        "event_type": "scenario",
        "page_url": found.get("url"),
        "referrer": found.get("urlref"),
    }
    candidate |= {name: value for name, value in found.items() if name in _FIELDS}
    return _typed({**candidate, "scenario": scenario, "parameters": found})


def _typed(candidate: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with the types that an event has."""
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
