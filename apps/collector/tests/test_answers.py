from typing import Any

import pytest

from clickstream_collector.answers import Answer, answering, json_answer, refusal
from clickstream_collector.errors import Refused, TryAgain


async def answered(
    error: Exception | None = None, answer: Answer | None = None, **options: Any
) -> tuple[int, Any, bytes]:
    """Status, headers and body of what is answered when a block gives this answer, or raises this error."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with answering("other", send, **options) as give:
        if error is not None:
            raise error
        assert answer is not None
        await give(answer)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


async def test_an_answer_has_its_length_and_the_headers_that_all_have() -> None:
    status, headers, body = await answered(answer=Answer(200, b"text", [(b"a", b"b")]), headers=[(b"c", b"d")])
    assert (status, body) == (200, b"text")
    assert headers == {
        b"a": b"b",
        b"c": b"d",
        b"content-length": b"4",
        b"x-content-type-options": b"nosniff",
        b"cross-origin-resource-policy": b"cross-origin",
    }


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_have_no_length(status: int) -> None:
    assert b"content-length" not in (await answered(answer=Answer(status)))[1]


def test_json_is_never_kept_by_a_cache() -> None:
    headers = dict(json_answer(200, b"{}").headers)
    assert headers == {b"content-type": b"application/json", b"cache-control": b"no-store"}


def test_a_refusal_says_why_and_when_to_come_again() -> None:
    answer = refusal(TryAgain(503, 'Kafka "is" away', 2))
    assert (answer.status, answer.body) == (503, b'{"status":"error","error":"Kafka \\"is\\" away"}')
    assert dict(answer.headers)[b"retry-after"] == b"2"


async def test_what_is_refused_in_a_block_is_answered() -> None:
    status, headers, body = await answered(
        Refused(413, "too large", {"Connection": "close"}), headers=[(b"vary", b"origin")]
    )
    assert (status, body) == (413, b'{"status":"error","error":"too large"}')
    assert headers[b"connection"] == b"close"
    assert headers[b"vary"] == b"origin"


async def test_what_we_did_not_expect_is_a_500_and_a_log_entry(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = await answered(KeyError("inner"))
    assert (status, b"inner" in body) == (500, False)
    assert "KeyError: 'inner'" in caplog.text
