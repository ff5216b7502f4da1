"""What can be wrong with a scenario, a member or a request."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong at a place of a scenario's JSON: `filters[1].right` and a sentence that says what is allowed."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class InvalidScenario(ValueError):
    """A scenario's JSON is not one; `problems` are all that were found, in the order of the JSON."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class InvalidMember(ValueError):
    """A member's data can't be used; the message names the column, its value and what is allowed."""


class InvalidRequest(ValueError):
    """A record that might be a scenario's request and can't be judged.

    `reason` is one of the dead letters' reasons, the message explains it; `request_id` is the request's, if it has one.
    """

    def __init__(self, reason: str, message: str, request_id: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.request_id = request_id
