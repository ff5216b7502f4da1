"""What a request passes through, from a client's objects to records that Kafka has acknowledged.

Rate limits, validation of the event, the visitor's consent, crawlers, delivery. The HTTP endpoints that use it are
`ingest` and `pixel`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from clickstream_collector import instruments
from clickstream_collector.batches import Record
from clickstream_collector.countries import Countries
from clickstream_collector.delivery import Delivery
from clickstream_collector.devices import device_of
from clickstream_collector.errors import Excluded, NotAnEvent, Refused, TryAgain
from clickstream_collector.events import check_lengths, collected, encode_collected, read_event, scenario_parameters
from clickstream_collector.headers import Headers, single
from clickstream_collector.origins import Origins
from clickstream_collector.page_urls import KeptParameters
from clickstream_collector.request_info import RequestInfo, request_info
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_collector.visitor_ids import VisitorIds
from clickstream_core.addresses import Proxies, limited_network
from clickstream_core.events import MAX_FIELD_BYTES
from clickstream_core.limits import RateLimit
from clickstream_core.timestamps import parse_timestamp, with_plus
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

MAX_WAIT_S = 1.5  # for Kafka; after that the request gets 503
_RETRY_AFTER_S = 2
MAX_DEAD_LETTER_BYTES = 64_000  # kept of a body that is not JSON
TOO_LARGE_FOR_KAFKA = "the event is larger than Kafka's topic takes (max.message.bytes)"

CONSENT, BOT = "consent", "bot"


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Pipeline:
    """Checks and delivers events by the settings; `clock` returns monotonic seconds, `now` is the wall clock."""

    def __init__(
        self,
        settings: CollectorSettings,
        delivery: Delivery,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self._events_topic = settings.topics.events_topic
        self._dead_letter_topic = settings.topics.dead_letter_topic
        self._site_keys = frozenset(settings.site_keys or ())
        self._excludes_bots = settings.bots == "exclude"
        self._kept_parameters = KeptParameters(settings.kept_query_parameters)
        self._proxies = Proxies(
            settings.trusted_proxies,
            instruments.UNTRUSTED_FORWARDS.inc,
            ", with one rate limit and one id, and their country headers do not count",
        )
        self._countries = Countries(settings.country_headers, settings.country_database)
        self._visitor_ids = VisitorIds(secret)
        self._visitor_limit, self._site_limit = (
            RateLimit(rate, clock, rate * settings.bytes_per_event) for rate in settings.limits
        )
        self._delivery = delivery
        self._now = now
        self.origins = Origins(settings.allowed_origins)

    def request_info(self, headers: Headers, peer: str, query: bytes) -> RequestInfo:
        """Return what the request says about its visitor. Raises Refused for an invalid origin, site key or sent_at."""
        origin = single(headers, b"origin")
        if not self.origins.allow(origin.encode("latin-1")):
            raise Refused(403, f"pages of {origin[:200]} may not send here (ALLOWED_ORIGINS)")
        key, sent_at = "", None
        if query:
            asked = parse_qs(query.decode("latin-1"))
            key = asked.get("key", [""])[0]
            if "sent_at" in asked:
                sent_at = _sent_at(asked["sent_at"][0])
        if self._site_keys and key not in self._site_keys:
            raise Refused(
                403,
                "the site key is missing or not known here: send it as ?key="
                if not key
                else f"the site key {key[:64]!a} is not known here",
            )
        if len(key) > 64:
            raise Refused(400, "the site key is longer than 64 characters")
        return request_info(headers, peer, self._proxies, key, self._now(), sent_at)

    def admit(self, info: RequestInfo, events: int) -> None:
        """Raise TryAgain (429) if this visitor or this site sends too many events or bytes."""
        for limit, name, kind in self._limits_of(info):
            seconds = limit.take(name, events)
            if seconds:
                raise _too_much(kind, "bytes" if limit.lacks_bytes(name) else "events", seconds, max(1, events))

    def _admit_bytes(self, info: RequestInfo, records: Sequence[Record]) -> None:
        """Raise TryAgain (429) if too many bytes are stored for this visitor or this site."""
        size = sum(record.size for record in records)
        for limit, name, kind in self._limits_of(info):
            seconds = limit.take_bytes(name, size)
            if seconds:
                raise _too_much(kind, "bytes", seconds, len(records))

    def _limits_of(self, info: RequestInfo) -> tuple[tuple[RateLimit, str, str], ...]:
        """Return the limits of a request, each with the name that it counts and its kind."""
        return (
            (self._visitor_limit, limited_network(info.address), "visitor"),
            (self._site_limit, info.site_key, "site"),
        )

    def record(self, candidate: Any, info: RequestInfo, headers: Headers) -> Record:
        """Return the record of a JSON value. Raises NotAnEvent and Excluded."""
        try:
            event = read_event(candidate)
            device = device_of(info.user_agent)
            if info.objects or event.consent is False:
                raise Excluded(CONSENT)
            if device.crawler and self._excludes_bots:
                raise Excluded(BOT)
            country = event.country or self._countries.country(headers if info.by_proxy else {}, info.address)
            user_id = event.user_id or self._visitor_ids.user_id(info.address, info.user_agent, info.received_at)
            session_id = event.session_id or self._visitor_ids.session_id(
                info.address, info.user_agent, info.received_at
            )
            parameters = scenario_parameters(candidate) if event.scenario else {}
            collected_event = collected(
                event, info, device, country, user_id, session_id, self._kept_parameters, parameters
            )
            value = _encoded(collected_event)
            if len(value) > MAX_FIELD_BYTES:
                check_lengths(collected_event)
        except NotAnEvent as error:
            instruments.REJECTED.labels(error.reason).inc()
            raise
        except Excluded as excluded:
            instruments.LEFT_OUT.labels(excluded.reason).inc()
            raise
        fingerprint = 0
        if event.event_id:
            fingerprint = hash(
                (
                    *(event.event_id, event.event_type, collected_event.page_url, event.timestamp, event.user_id),
                    *(event.tag, event.id, event.duration_ms, event.scenario, *sorted(parameters.items())),
                )
            )
        return Record(
            topic=self._events_topic,
            value=value,
            key=collected_event.user_id.encode(),
            fingerprint=fingerprint,
        )

    def dead_letter(self, body: bytes, error: str) -> Record:
        """Return the dead letter of a body, or an element of one, that is not JSON.

        Its bytes are unchanged, but cut after MAX_DEAD_LETTER_BYTES; the header `error` says so.
        """
        instruments.DEAD_LETTERS.labels("not_json").inc()
        if len(body) > MAX_DEAD_LETTER_BYTES:
            error = f"{error}; cut to the first {MAX_DEAD_LETTER_BYTES} of {len(body)} bytes"
            body = body[:MAX_DEAD_LETTER_BYTES]
        headers = (("reason", b"not_json"), ("error", error.encode()), ("app", APP.encode()))
        return Record(topic=self._dead_letter_topic, value=body, headers=headers)

    async def deliver(self, records: Sequence[Record], info: RequestInfo) -> Sequence[int]:
        """Return when Kafka has the records; the result is the places of those that are too large for their topic.

        Raises TryAgain: 429 if this visitor or this site sends too many bytes, 503 if Kafka is away or too slow.
        """
        self._admit_bytes(info, records)
        try:
            async with asyncio.timeout(MAX_WAIT_S):
                if self._delivery.patience:
                    await self._delivery.available(self._delivery.patience)
                too_large = await self._delivery.accept(records).kept
        except (KafkaUnavailable, KafkaRefused) as error:
            raise TryAgain(503, str(error), _RETRY_AFTER_S) from error
        except TimeoutError as error:
            message = f"Kafka did not acknowledge within {MAX_WAIT_S:g} s"
            raise TryAgain(503, message, _RETRY_AFTER_S) from error
        if too_large:
            instruments.REJECTED.labels("too_large").inc(len(too_large))
        return too_large

    async def deliver_one(self, record: Record, info: RequestInfo) -> None:
        """Return when Kafka has the record. Raises TryAgain like `deliver`, and Refused (413) if it is too large."""
        if await self.deliver([record], info):
            raise Refused(413, TOO_LARGE_FOR_KAFKA)


def _too_much(kind: str, what: str, seconds: int, events: int) -> TryAgain:
    instruments.LIMITED.labels(kind if what == "events" else f"{kind}_{what}").inc(events)
    return TryAgain(429, f"too many {what} from this {kind}; retry in {seconds} s", seconds)


def _sent_at(text: str) -> int:
    try:
        return parse_timestamp(with_plus(text))
    except ValueError as error:
        raise Refused(400, f"sent_at {text[:60]!a} {error}") from error


def _encoded(event: Any) -> bytes:
    try:
        return encode_collected(event)
    except UnicodeEncodeError as error:
        raise NotAnEvent("wrong_type", f"a string is not valid Unicode: {error.reason}") from error
