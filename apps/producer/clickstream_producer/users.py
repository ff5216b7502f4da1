"""The behaviour of the simulated users: who visits the shop, and what happens in a session.

A session is a walk through a small state machine. In each state a user takes one of a few steps with fixed
probabilities; a step is an event (its type and page) and the next state, or the end of the session. The funnel is part
of the machine: `add_to_cart` is only possible on a viewed product, `purchase` only in the checkout, and the checkout
only with something in the cart; at each stage most users go elsewhere or leave.

As many users are in the shop as are needed for each of them to act every few seconds at the requested rate. When one
leaves, another one arrives. A session also ends after INACTIVITY_MS without an event, as in analytics products. Device
and country belong to the user, the referrer to the session. Time is passed in, all choices depend on `seed`, and ids
come from a separate source: the same seed gives the same events except for ids and times.
"""

import hashlib
import math
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from clickstream_core.events import Event
from clickstream_core.timestamps import format_milliseconds
from clickstream_producer import catalogue as shop
from clickstream_producer.catalogue import Page, Weighted

INACTIVITY_MS = 30 * 60 * 1000  # without an event, after which a session has ended
_STEP_INTERVAL_MS = 6_000
_OPENING_SHARE = 0.2
_ACTIVITY_SKEW = 1.2


class State(Enum):
    """Where a user is in the shop."""

    ARRIVING = auto()
    BROWSING = auto()
    AT_PRODUCT = auto()
    ADDED = auto()
    IN_CART = auto()
    AT_CHECKOUT = auto()
    BOUGHT = auto()


@dataclass(frozen=True)
class Step:
    """One user action: the event's type, the page or choice of pages (None: the current page), the next state."""

    event_type: str
    page: Page | Weighted[Page] | None
    state: State


_LEAVE = None
_TO_HOME = Step("page_view", shop.HOME, State.BROWSING)
_TO_LISTING = Step("page_view", shop.LISTINGS, State.BROWSING)
_TO_READING = Step("page_view", shop.READINGS, State.BROWSING)
_TO_PRODUCT = Step("page_view", shop.PRODUCTS, State.AT_PRODUCT)
_TO_CART = Step("page_view", shop.CART, State.IN_CART)
_TO_CHECKOUT = Step("page_view", shop.CHECKOUT, State.AT_CHECKOUT)
_SEARCH = Step("search", shop.SEARCH, State.BROWSING)

STEPS: dict[State, Weighted[Step | None]] = {
    State.ARRIVING: Weighted([(_TO_HOME, 40.0), (_TO_PRODUCT, 28.0), (_TO_LISTING, 18.0), (_TO_READING, 14.0)]),
    State.BROWSING: Weighted(
        [
            (_TO_PRODUCT, 34.0),
            (Step("click", None, State.BROWSING), 22.0),
            (_SEARCH, 12.0),
            (_TO_LISTING, 11.0),
            (_TO_READING, 5.0),
            (_LEAVE, 15.0),
        ]
    ),
    State.AT_PRODUCT: Weighted(
        [
            (Step("click", None, State.AT_PRODUCT), 28.0),
            (_TO_PRODUCT, 22.0),
            (Step("add_to_cart", None, State.ADDED), 16.0),
            (_TO_LISTING, 11.0),
            (_SEARCH, 7.0),
            (_LEAVE, 19.0),
        ]
    ),
    State.ADDED: Weighted([(_TO_CART, 54.0), (_TO_PRODUCT, 24.0), (_TO_LISTING, 9.0), (_LEAVE, 13.0)]),
    State.IN_CART: Weighted(
        [(_TO_CHECKOUT, 56.0), (Step("click", None, State.IN_CART), 14.0), (_TO_PRODUCT, 12.0), (_LEAVE, 18.0)]
    ),
    State.AT_CHECKOUT: Weighted(
        [
            (Step("purchase", shop.CHECKOUT, State.BOUGHT), 64.0),
            (Step("click", None, State.AT_CHECKOUT), 14.0),
            (_TO_CART, 6.0),
            (_LEAVE, 16.0),
        ]
    ),
    State.BOUGHT: Weighted([(_LEAVE, 60.0), (Step("page_view", shop.ORDERS, State.BROWSING), 30.0), (_TO_HOME, 10.0)]),
}

# Median in milliseconds and spread (sigma) of the log-normal time that users spend on each kind of step.
_DURATIONS = {
    "page_view": (math.log(4500), 0.9),
    "click": (math.log(700), 0.7),
    "search": (math.log(2800), 0.6),
    "add_to_cart": (math.log(1300), 0.5),
    "purchase": (math.log(9000), 0.6),
}
_MAX_STEP_MS = 10 * 60 * 1000


class RandomIds:
    """Event and session ids that no run repeats, from `source`; the default is seeded by the operating system.

    They are generated separately, so that they do not affect the seeded choices of users.
    """

    def __init__(self, source: Random | None = None) -> None:
        self._bits = (source or Random()).getrandbits

    def event_id(self) -> str:
        """Return a random UUID (RFC 9562, version 4)."""
        # uuid.uuid4() asks the operating system each time and takes three times as long.
        digits = f"{self._bits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def session_id(self) -> str:
        return f"sess_{self._bits(48):012x}"


@dataclass(slots=True)
class _Session:
    user_id: str
    session_id: str
    device: str
    country: str
    referrer: str
    page: Page
    state: State
    last_seen: int


class Crowd:
    """The simulated users of one process.

    Of `users` users in all these are the ones with number `share`, `share + shares`, ... (with fewer users than
    processes, several processes simulate the same user). `rate` is what this process generates, in events per second;
    it determines how many users are in the shop at the same time.
    """

    def __init__(
        self, *, seed: int, users: int, rate: float, ids: RandomIds | None = None, share: int = 0, shares: int = 1
    ) -> None:
        self._random = Random(f"{seed}/{share}/{shares}")
        self._seed = seed
        self._ids = ids or RandomIds()
        self._first, self._stride = share % users, shares
        self._members = len(range(self._first, users, shares))
        self._capacity = min(math.ceil(rate * (_STEP_INTERVAL_MS / 1000)), math.ceil(self._members / 2))
        self._formatted = (-1, "")
        self._present: set[int] = set()
        self._sessions = [self._arrive(0) for _ in range(math.ceil(self._capacity * _OPENING_SHARE))]

    def next_event(self, now: int) -> Event:
        """Return the next event of any user; `now` is in milliseconds since the epoch."""
        # The shop fills gradually; otherwise a run would start with landing pages only.
        if len(self._sessions) < self._capacity and self._random.random() < _OPENING_SHARE:
            self._sessions.append(self._arrive(now))
        place = int(self._random.random() * len(self._sessions))
        session = self._sessions[place]
        if now - session.last_seen > INACTIVITY_MS and session.state is not State.ARRIVING:
            session = self._replace(place, now)
        step = STEPS[session.state].pick(self._random.random())
        if step is None:
            session = self._replace(place, now)
            step = STEPS[session.state].pick(self._random.random())
            assert step is not None, "no user leaves before the first page"
        return self._take(session, step, now)

    def _take(self, session: _Session, step: Step, now: int) -> Event:
        page = step.page.pick(self._random.random()) if isinstance(step.page, Weighted) else step.page
        session.page = page or session.page
        session.state = step.state
        session.last_seen = now
        median, spread = _DURATIONS[step.event_type]
        return Event(
            event_id=self._ids.event_id(),
            timestamp=self._timestamp(now),
            user_id=session.user_id,
            session_id=session.session_id,
            event_type=step.event_type,
            page_url=session.page.url,
            page_category=session.page.category,
            referrer=session.referrer,
            device_type=session.device,
            country=session.country,
            duration_ms=min(_MAX_STEP_MS, int(self._random.lognormvariate(median, spread))),
        )

    def _timestamp(self, now: int) -> str:
        # At high rates many events share a millisecond, and formatting takes half as long as everything else.
        if self._formatted[0] != now:
            self._formatted = (now, format_milliseconds(now))
        return self._formatted[1]

    def _replace(self, place: int, now: int) -> _Session:
        leaving = self._sessions[place]
        self._present.discard(int(leaving.user_id.removeprefix("user_")))
        self._sessions[place] = self._arrive(now)
        return self._sessions[place]

    def _arrive(self, now: int) -> _Session:
        number = self._absent_user()
        self._present.add(number)
        # Device and country depend on seed and user only, so nothing is stored for users who are not in the shop.
        digest = hashlib.blake2b(f"{self._seed}/{number}".encode(), digest_size=8).digest()
        return _Session(
            user_id=f"user_{number}",
            session_id=self._ids.session_id(),
            device=shop.DEVICES.pick(int.from_bytes(digest[:4]) / 2**32),
            country=shop.COUNTRIES.pick(int.from_bytes(digest[4:]) / 2**32),
            referrer=shop.REFERRERS.pick(self._random.random()),
            page=shop.HOME,
            state=State.ARRIVING,
            last_seen=now,
        )

    def _absent_user(self) -> int:
        while True:
            # The exponent makes some users come more often than others, without a table of weights.
            member = int(self._members * self._random.random() ** _ACTIVITY_SKEW)
            number = self._first + member * self._stride + 1
            if number not in self._present:
                return number
