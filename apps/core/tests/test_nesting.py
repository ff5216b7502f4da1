import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.errors import InvalidEvent
from clickstream_core.events import decode_event, decode_events
from clickstream_core.nesting import MAX_DEPTH, too_deep
from kit.events import event_value

AT = datetime(2024, 10, 26, 10, 30, 45, 123000, tzinfo=UTC)
LISTS = b"[" * MAX_DEPTH, b"]" * MAX_DEPTH
OBJECTS = b'{"a":' * MAX_DEPTH, b"}" * MAX_DEPTH


@pytest.mark.parametrize(
    ("opening", "closing"), [LISTS, OBJECTS, (b' \n[ {"a" :' * (MAX_DEPTH // 2), b"} ]" * (MAX_DEPTH // 2))]
)
def test_one_level_more_than_allowed_is_too_deep(opening: bytes, closing: bytes) -> None:
    assert not too_deep(opening + b"1" + closing)
    assert too_deep(b"[" + opening + b"1" + closing + b"]")
    assert too_deep(b'{"x":' + opening + b"1" + closing + b"}")


def test_what_is_beside_one_another_is_not_deep() -> None:
    assert not too_deep(b"[" + b"[[]]," * 10_000 + b"{}]")
    assert not too_deep(json.dumps([{"a": [{"b": {}}]}] * 1000).encode())


@pytest.mark.parametrize("text", ["[" * 2000, '\\"' + "{" * 2000, '"[' * 1000, "[\\" * 1000, "é[" * 2000])
def test_brackets_in_a_text_are_no_levels(text: str) -> None:
    assert not too_deep(json.dumps({"a": text, text: "b"}).encode())
    assert not too_deep(json.dumps({"a": text}, ensure_ascii=False).encode())


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b"x", b"\n"]), max_size=40))
def test_any_bytes_are_looked_at_in_one_pass(pieces: list[bytes]) -> None:
    too_deep(b"".join(pieces) * 500)


def nested(levels: int, **fields: object) -> bytes:
    """An event of so many levels: itself, and lists in a field that nothing counts."""
    lists = b"[" * (levels - 1) + b"]" * (levels - 1)
    return event_value(AT, **fields).rstrip(b"}") + b',"extra":' + lists + b"}"


def test_an_event_may_have_as_many_levels_as_allowed() -> None:
    value = nested(MAX_DEPTH)
    assert decode_event(value).user_id == "user_42"
    assert len(decode_events([value, event_value(AT)]) or ()) == 2


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 1_100, 5_000, 20_000])
@pytest.mark.parametrize("user_id", ["user_42", 7])
def test_a_deeper_event_is_refused_for_that_whatever_else_is_wrong(levels: int, user_id: object) -> None:
    value = nested(levels, user_id=user_id)
    assert decode_events([event_value(AT), value]) is None
    with pytest.raises(InvalidEvent, match="^not JSON: nested more than 500 levels deep$") as refusal:
        decode_event(value)
    assert (refusal.value.reason, refusal.value.timestamp) == ("not_json", None)
