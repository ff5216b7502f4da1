"""What the simulated users do."""

import re
from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.events import Event
from clickstream_producer.users import INACTIVITY_MS, Crowd, RandomIds

START = 1_729_938_645_123


def play(
    events: int, *, seed: int = 1, users: int = 100, rate: float = 10.0, share: int = 0, shares: int = 1
) -> list[Event]:
    crowd = Crowd(seed=seed, users=users, rate=rate, share=share, shares=shares)
    return [crowd.next_event(START + number * 100) for number in range(events)]


def behaviour(event: Event) -> tuple[object, ...]:
    """All of an event but ids and times."""
    return (
        event.user_id,
        event.event_type,
        event.page_url,
        event.page_category,
        event.referrer,
        event.device_type,
        event.country,
        event.duration_ms,
    )


def by_session(events: list[Event]) -> dict[str, list[Event]]:
    sessions: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        sessions[event.session_id].append(event)
    return sessions


@given(seed=st.integers(), users=st.integers(1, 500), shares=st.integers(1, 4))
def test_the_same_seed_gives_the_same_events_but_for_ids_and_times(seed: int, users: int, shares: int) -> None:
    for share in range(shares):
        first = play(50, seed=seed, users=users, share=share, shares=shares)
        second = play(50, seed=seed, users=users, share=share, shares=shares)

        assert [behaviour(event) for event in first] == [behaviour(event) for event in second]
        assert {event.event_id for event in first}.isdisjoint(event.event_id for event in second)


def test_another_seed_gives_other_events() -> None:
    assert [behaviour(event) for event in play(50, seed=1)] != [behaviour(event) for event in play(50, seed=2)]


def test_nothing_is_put_in_the_cart_unseen_and_nothing_bought_that_is_not_in_it() -> None:
    for session in by_session(play(50_000)).values():
        seen: set[str] = set()
        in_cart = False
        for event in session:
            if event.event_type == "add_to_cart":
                assert event.page_url in seen
                in_cart = True
            if event.event_type == "purchase":
                assert in_cart
            if event.event_type == "page_view" and event.page_url.startswith("/products/"):
                seen.add(event.page_url)


def test_each_stage_of_the_funnel_loses_users() -> None:
    counts = Counter(event.event_type for event in play(50_000))

    assert set(counts) == {"page_view", "click", "search", "add_to_cart", "purchase"}
    assert counts["page_view"] > counts["click"] > counts["search"] > counts["add_to_cart"] > 2 * counts["purchase"]
    assert 0.01 < counts["purchase"] / 50_000 < 0.05


def test_a_session_belongs_to_one_user_device_country_and_referrer() -> None:
    for session in by_session(play(5_000)).values():
        assert len({(e.user_id, e.device_type, e.country, e.referrer) for e in session}) == 1


def test_a_user_keeps_device_and_country_and_comes_back_in_new_sessions() -> None:
    events = play(20_000)
    users: dict[str, set[tuple[str, str]]] = defaultdict(set)
    sessions: dict[str, set[str]] = defaultdict(set)
    for event in events:
        users[event.user_id].add((event.device_type, event.country))
        sessions[event.user_id].add(event.session_id)

    assert set(map(len, users.values())) == {1}
    assert min(map(len, sessions.values())) > 5
    assert 3 < len(events) / sum(map(len, sessions.values())) < 10


def test_a_user_is_in_one_session_at_a_time() -> None:
    open_session: dict[str, str] = {}
    ended: set[str] = set()
    for event in play(20_000):
        before = open_session.get(event.user_id)
        if before not in (None, event.session_id):
            ended.add(str(before))
        assert event.session_id not in ended
        open_session[event.user_id] = event.session_id


def test_a_session_that_was_silent_too_long_does_not_go_on() -> None:
    crowd = Crowd(seed=1, users=1, rate=1.0)
    before = crowd.next_event(START)

    after = crowd.next_event(START + INACTIVITY_MS + 1)

    assert after.user_id == before.user_id
    assert after.session_id != before.session_id
    assert after.event_type == "page_view"


def test_popular_pages_are_visited_more_often() -> None:
    pages = Counter(event.page_url for event in play(50_000) if event.page_url.startswith("/products/"))

    assert pages["/products/laptop"] > 2 * pages["/products/running-shoes"] > 4 * pages["/products/puzzle"] > 0


def test_all_users_are_seen_within_a_window_of_five_minutes() -> None:
    assert len({event.user_id for event in play(3_000)}) == 100


def test_the_processes_play_all_users_and_each_user_in_one_process() -> None:
    played = [{event.user_id for event in play(5_000, users=31, share=share, shares=3)} for share in range(3)]

    assert sum(map(len, played)) == 31
    assert set.union(*played) == {f"user_{number}" for number in range(1, 32)}


def test_more_processes_than_users_play_the_same_user() -> None:
    assert {event.user_id for share in range(3) for event in play(10, users=2, share=share, shares=3)} == {
        "user_1",
        "user_2",
    }


@pytest.mark.parametrize("users", [1, 2, 3, 1_000_000])
def test_any_number_of_users_is_played(users: int) -> None:
    numbers = [int(event.user_id.removeprefix("user_")) for event in play(1_000, users=users, rate=5_000.0)]

    assert min(numbers) >= 1
    assert max(numbers) <= users


def test_ids_times_and_durations_have_the_documented_form() -> None:
    for event in play(2_000):
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", event.event_id)
        assert re.fullmatch(r"sess_[0-9a-f]{12}", event.session_id)
        assert re.fullmatch(r"2024-10-26T\d\d:\d\d:\d\d\.\d{3}Z", event.timestamp)
        assert re.fullmatch(r"[A-Z]{2}", event.country)
        assert event.device_type in {"mobile", "desktop", "tablet"}
        assert event.duration_ms >= 0


def test_event_ids_do_not_repeat() -> None:
    ids = RandomIds(Random(1))

    assert len({ids.event_id() for _ in range(10_000)}) == 10_000
