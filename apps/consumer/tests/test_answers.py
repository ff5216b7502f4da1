"""Answers that are made once, and what they may take of memory."""

import gzip
import random
import threading
from collections.abc import Iterator

import pytest

from clickstream_consumer.answers import Answers
from clickstream_web.responses import in_parts

BODY = b"window_start,window_end\r\n" * 20_000


def body() -> Iterator[bytes]:
    yield from (BODY[start : start + 999] for start in range(0, len(BODY), 999))


def refuse() -> Iterator[bytes]:
    raise AssertionError("made once more")


def test_an_answer_is_made_once_for_a_query_and_a_version() -> None:
    answers = Answers()
    assert answers.find("a", 1) is None
    made = answers.make("a", 1, body)
    assert answers.find("a", 1) is made
    for query, version in (("b", 1), ("a", 2), ("a", 0)):
        assert answers.find(query, version) is None


def test_it_is_sent_in_small_parts_packed_and_unpacked() -> None:
    answer = Answers().make("a", 1, body)
    packed, plain = list(in_parts(answer.packed)), list(answer.parts())
    assert gzip.decompress(b"".join(packed)) == b"".join(plain) == BODY
    assert answer.size == len(BODY)
    assert max(map(len, [*packed, *plain])) <= 65_536


def test_incompressible_content_is_sent_unchanged() -> None:
    noise = random.Random(7).randbytes(300_000)
    answer = Answers().make("a", 1, lambda: [noise])
    assert b"".join(answer.parts()) == gzip.decompress(answer.packed) == noise


def test_a_new_version_forgets_the_old_ones_answers() -> None:
    answers = Answers()
    for query in ("a", "b"):
        answers.make(query, 1, body)
    answers.make("a", 2, body)
    assert len(answers) == 1
    answers.make("late", 1, body)
    assert answers.find("late", 1) is None
    assert len(answers) == 1


def test_the_bytes_that_are_kept_are_bounded_and_the_oldest_used_go_first() -> None:
    noise = random.Random(7).randbytes(30_000)
    answers = Answers(max_bytes=100_000)
    for query in ("a", "b", "c"):
        answers.make(query, 1, lambda: [noise])
    assert answers.find("a", 1) is not None
    answers.make("d", 1, lambda: [noise])
    assert [query for query in "abcd" if answers.find(query, 1)] == ["a", "c", "d"]
    large = random.Random(8).randbytes(120_000)
    assert b"".join(answers.make("large", 1, lambda: [large]).parts()) == large
    assert answers.find("large", 1) is None
    assert len(answers) == 3
    assert answers._bytes <= 100_000


def test_many_small_answers_are_bounded_too() -> None:
    answers = Answers(max_bytes=100_000)
    for number in range(1000):
        answers.make(number, 1, lambda: [b"1"])
    assert len(answers) < 100


def test_requests_during_the_making_of_an_answer_wait_for_it() -> None:
    answers = Answers()
    begun, go_on = threading.Event(), threading.Event()
    got: list[object] = []

    def slowly() -> Iterator[bytes]:
        begun.set()
        assert go_on.wait(20)
        yield BODY

    maker = threading.Thread(target=lambda: got.append(answers.make("a", 1, slowly)))
    maker.start()
    assert begun.wait(20)
    others = [threading.Thread(target=lambda: got.append(answers.find("a", 1))) for _ in range(3)]
    others += [threading.Thread(target=lambda: got.append(answers.make("a", 1, refuse))) for _ in range(3)]
    for each in others:
        each.start()
    go_on.set()
    for each in (maker, *others):
        each.join(20)
    assert len(got) == 7
    assert {id(each) for each in got} == {id(answers.find("a", 1))}


def test_one_that_fails_is_not_kept() -> None:
    answers = Answers()

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("no such window")

    with pytest.raises(ValueError, match="no such window"):
        answers.make("a", 1, broken)
    assert answers.find("a", 1) is None
    assert answers.make("a", 1, body).size == len(BODY)
