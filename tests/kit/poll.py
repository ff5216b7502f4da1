"""Wait until something becomes true, or until a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


def eventually(condition: Callable[[], _Value], deadline_seconds: float, every: float = 0.05) -> _Value:
    """Call `condition` until it returns a true value, and return that.

    An AssertionError inside `condition` means "not yet". After `deadline_seconds` AssertionError is raised with the
    last value, or with the last AssertionError.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        refusal: AssertionError | None = None
        try:
            value = condition()
        except AssertionError as error:
            refusal = error
        else:
            if value:
                return value
        if time.monotonic() >= deadline:
            if refusal is not None:
                raise AssertionError(f"still so after {deadline_seconds:g} s: {refusal}") from refusal
            raise AssertionError(f"not true within {deadline_seconds:g} s; the last value was {value!r}")
        time.sleep(every)
