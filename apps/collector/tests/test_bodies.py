import asyncio
import gzip
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from clickstream_collector.bodies import (
    MAX_ARRIVING_BYTES,
    MAX_BODY_BYTES,
    Arriving,
    check_type,
    discard_body,
    read_body,
)
from clickstream_collector.errors import Refused

GZIP = {b"content-encoding": b"gzip"}


def body_of(*parts: bytes, headers: dict[bytes, bytes] | None = None, ends: bool = True) -> bytes:
    """Read a body that arrives in these parts; `ends` is whether the client sends all of it."""
    waiting = list(parts)

    async def receive() -> Message:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not ends}

    return asyncio.run(read_body(headers or {}, receive, Arriving()))


def status_of(*parts: bytes, headers: dict[bytes, bytes] | None = None, ends: bool = True) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        body_of(*parts, headers=headers, ends=ends)
    return refused.value.status, str(refused.value)


@pytest.mark.parametrize(
    "declared",
    [
        *("", "application/json", "text/plain", "APPLICATION/JSON", "text/plain;charset=UTF-8", " text/plain "),
        *(
            'application/json; charset="utf-8"',
            "text/plain;charset=us-ascii",
            "text/plain; format=flowed",
            "text/plain;",
        ),
    ],
)
def test_json_and_text_in_utf_8_are_taken(declared: str) -> None:
    check_type({b"content-type": declared.encode()})
    check_type({})


@pytest.mark.parametrize(
    "declared",
    [
        *(
            "text/html",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "json",
            "text/plain, a/b",
        ),
        *("text/plain; charset=latin-1", "application/json;charset=utf-16", "x" * 5000),
    ],
)
def test_other_types_and_charsets_are_refused(declared: str) -> None:
    with pytest.raises(Refused) as refused:
        check_type({b"content-type": declared.encode()})
    assert refused.value.status == 415
    assert len(str(refused.value)) < 300


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_parts_make_the_body(parts: Sequence[bytes]) -> None:
    assert body_of(*parts) == b"".join(parts)


@settings(deadline=None)
@given(st.binary(max_size=2000), st.sampled_from([b"gzip", b"GZIP", b" x-gzip "]), st.integers(1, 10))
def test_gzip_is_undone(content: bytes, encoding: bytes, size: int) -> None:
    sent = gzip.compress(content)
    parts = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert body_of(*parts, headers={b"content-encoding": encoding}) == content


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"gzip, gzip", b"zstd", b"\xff" * 2000])
def test_other_encodings_are_refused(encoding: bytes) -> None:
    status, message = status_of(b"{}", headers={b"content-encoding": encoding})
    assert status == 415
    assert len(message) < 500


def test_a_body_may_be_a_megabyte_and_not_a_byte_more() -> None:
    largest = b"x" * MAX_BODY_BYTES
    assert body_of(largest) == body_of(largest[:10], largest[10:]) == largest
    assert body_of(gzip.compress(largest), headers=GZIP) == largest
    for parts in ([largest + b"x"], [largest, b"x"]):
        assert status_of(*parts)[0] == 413
    assert status_of(gzip.compress(largest + b"x"), headers=GZIP)[0] == 413


async def test_a_body_that_never_ends_is_refused_at_the_first_byte_too_much() -> None:
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 65_536
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    with pytest.raises(Refused) as refused:
        await read_body({}, receive, Arriving())
    assert refused.value.status == 413
    assert refused.value.headers["Connection"] == "close"
    assert read <= MAX_BODY_BYTES + 65_536


@pytest.mark.parametrize("length", [b"1000001", b"9" * 15, b"9" * 5000])
def test_a_length_that_is_too_much_is_refused_before_anything_is_read(length: bytes) -> None:
    assert status_of(headers={b"content-length": length})[0] == 413


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"\xb2", b"", b"1000001, 2"])
def test_a_length_that_is_no_number_is_the_servers_business(length: bytes) -> None:
    assert body_of(b"{}", headers={b"content-length": length}) == b"{}"


def test_a_bomb_stays_small() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    assert status_of(bomb, headers=GZIP)[0] == 413


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    status, message = status_of(body, headers=GZIP)
    assert (status, message[:23]) == (400, "the body is not gzip: i") or message.startswith(
        "the body is not gzip: Error"
    )


def test_gzip_has_to_end_where_the_body_does() -> None:
    sent = gzip.compress(b"{}")
    assert status_of(sent[:-1], headers=GZIP) == (400, "the body is not gzip: it ends too early")
    assert status_of(b"", headers=GZIP) == (400, "the body is not gzip: it ends too early")
    assert status_of(sent + b"x", headers=GZIP) == (400, "the body is not gzip: it continues after its end")


def test_a_client_that_leaves_is_told_so_in_case_it_did_not() -> None:
    assert status_of(b'{"path"', ends=False)[0] == 400
    assert status_of()[0] == 400


async def test_a_slow_body_is_cut_off() -> None:
    async def receive() -> Message:
        return await asyncio.Future()

    with pytest.raises(Refused) as refused:
        await read_body({}, receive, Arriving(), timeout_s=0.01)
    assert (refused.value.status, refused.value.headers) == (408, {"Connection": "close"})


async def test_the_time_counts_for_the_whole_body_and_not_for_each_part() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.004)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(Refused) as refused:
        await read_body({}, receive, Arriving(), timeout_s=0.05)
    assert refused.value.status == 408


def test_what_was_sent_as_text_is_bytes() -> None:
    assert body_of(json.dumps("é", ensure_ascii=False).encode()) == b'"\xc3\xa9"'


async def test_slow_bodies_together_are_bounded_and_whole_ones_pass() -> None:
    arriving = Arriving(MAX_ARRIVING_BYTES)
    parts = [b"{", b"}"]

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    with pytest.raises(Refused) as refused:
        await read_body({}, receive, arriving)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    assert await read_body({}, receive, arriving) == b"}"
    assert arriving.size == MAX_ARRIVING_BYTES


async def test_what_has_arrived_whole_or_was_refused_is_counted_no_more() -> None:
    arriving = Arriving()
    for ends in (True, False):
        messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]
        messages.append({"type": "http.request", "body": b"}"} if ends else {"type": "http.disconnect"})

        async def receive(messages: list[Message] = messages) -> Message:
            return messages.pop(0)

        if ends:
            assert await read_body({}, receive, arriving) == b"{}"
        else:
            with pytest.raises(Refused):
                await read_body({}, receive, arriving)
        assert arriving.size == 0


async def test_a_body_that_is_discarded_is_read_to_its_end_so_that_its_client_sees_the_answer() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"x" * 60_000, "more_body": True}] * 10
    messages = [*messages, {"type": "http.request", "body": b"x"}, {"type": "http.request", "body": b"of the next one"}]

    async def receive() -> Message:
        return messages.pop(0)

    await discard_body(receive)
    assert messages == [{"type": "http.request", "body": b"of the next one"}]


async def test_a_discarded_body_that_is_too_large_or_never_ends_is_left() -> None:
    read = 0

    async def endless() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def silent() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    await discard_body(endless)
    assert read == MAX_BODY_BYTES // 100_000 + 1
    await discard_body(silent, timeout_s=0.01)
