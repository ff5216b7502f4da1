import re

from hypothesis import given
from hypothesis import strategies as st

from clickstream_collector.visitor_ids import VisitorIds

DAY = 86_400_000
ids = VisitorIds("a secret")


def test_replicas_with_the_same_secret_agree() -> None:
    assert ids.user_id("203.0.113.7", "Firefox", 5) == VisitorIds("a secret").user_id("203.0.113.7", "Firefox", 5)


def test_another_secret_makes_another_id() -> None:
    assert ids.user_id("203.0.113.7", "Firefox", 5) != VisitorIds("b secret").user_id("203.0.113.7", "Firefox", 5)


def test_a_visitor_is_another_one_tomorrow() -> None:
    today = ids.user_id("203.0.113.7", "Firefox", 0)
    assert ids.user_id("203.0.113.7", "Firefox", DAY - 1) == today
    assert ids.user_id("203.0.113.7", "Firefox", DAY) != today


@given(st.text(), st.text(), st.integers(0, 10**14))
def test_ids_tell_nothing(address: str, user_agent: str, milliseconds: int) -> None:
    address, user_agent = (text.encode("utf-8", "replace").decode() for text in (address, user_agent))
    user, session = (
        ids.user_id(address, user_agent, milliseconds),
        ids.session_id(address, user_agent, milliseconds),
    )
    assert user != session
    assert re.fullmatch("[0-9a-f]{32}", user)
    assert re.fullmatch("[0-9a-f]{32}", session)


def test_address_and_user_agent_are_told_apart() -> None:
    assert ids.user_id("a", "bc", 0) != ids.user_id("ab", "c", 0)
    assert ids.user_id("a", "b", 0) != ids.user_id("a", "c", 0) != ids.user_id("b", "c", 0)
