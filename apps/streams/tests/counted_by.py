"""Which implementation counts in a test."""

from itertools import cycle

from clickstream_streams.counting import Counting
from clickstream_streams.implementations import choose
from clickstream_streams.windows import CountingRules

INSTALLED = ["python", *(["native", "in turn"] if choose("auto").name == "native" else [])]
"""In turn: after each restart the other one goes on."""

chosen = ["python"]
"""The last one counts."""

_turns = cycle(["python", "native"])


def make_counting(rules: CountingRules, exact_limit: int) -> Counting:
    """Return the counts of a partition, by the implementation under test."""
    name = next(_turns) if chosen[-1] == "in turn" else chosen[-1]
    return choose(name).make_counting(rules, exact_limit)
