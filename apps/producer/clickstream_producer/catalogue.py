"""The web shop that the simulated users visit, and where they come from.

Popularity follows Zipf's law, like page views of real sites: the n-th page of a list is viewed in proportion to
1 / n ** 0.9. Shares of devices, countries and referrers are fixed weights.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

_ZIPF_EXPONENT = 0.9


@dataclass(frozen=True)
class Page:
    """A page of the shop: its path and the category that its events carry."""

    url: str
    category: str


class Weighted(Generic[T]):
    """A choice among values with given weights; `pick` maps a number in [0, 1) to a value."""

    def __init__(self, weights: Sequence[tuple[T, float]]) -> None:
        self._values = [value for value, _ in weights]
        self._bounds = list(accumulate(weight for _, weight in weights))
        self._total = self._bounds[-1]

    def pick(self, point: float) -> T:
        """Return the value whose share of [0, 1) holds `point`."""
        return self._values[min(bisect(self._bounds, point * self._total), len(self._values) - 1)]


def by_popularity(values: Sequence[T]) -> Weighted[T]:
    """A choice among `values`, the most popular first."""
    return Weighted([(value, rank**-_ZIPF_EXPONENT) for rank, value in enumerate(values, start=1)])


HOME = Page("/", "home")
SEARCH = Page("/search", "search")
CART = Page("/cart", "cart")
CHECKOUT = Page("/checkout", "checkout")
ORDERS = Page("/account/orders", "account")

PRODUCTS = by_popularity(
    [
        Page("/products/laptop", "electronics"),
        Page("/products/smartphone", "electronics"),
        Page("/products/headphones", "electronics"),
        Page("/products/running-shoes", "sports"),
        Page("/products/coffee-machine", "home-and-kitchen"),
        Page("/products/monitor", "electronics"),
        Page("/products/backpack", "fashion"),
        Page("/products/smartwatch", "electronics"),
        Page("/products/desk-lamp", "home-and-kitchen"),
        Page("/products/rain-jacket", "fashion"),
        Page("/products/mechanical-keyboard", "electronics"),
        Page("/products/yoga-mat", "sports"),
        Page("/products/novel", "books"),
        Page("/products/board-game", "toys"),
        Page("/products/frying-pan", "home-and-kitchen"),
        Page("/products/sneakers", "fashion"),
        Page("/products/tablet", "electronics"),
        Page("/products/tent", "sports"),
        Page("/products/cookbook", "books"),
        Page("/products/camera", "electronics"),
        Page("/products/sunglasses", "fashion"),
        Page("/products/bicycle-helmet", "sports"),
        Page("/products/building-blocks", "toys"),
        Page("/products/office-chair", "home-and-kitchen"),
        Page("/products/travel-guide", "books"),
        Page("/products/dumbbells", "sports"),
        Page("/products/puzzle", "toys"),
        Page("/products/wool-scarf", "fashion"),
    ]
)

LISTINGS = by_popularity(
    [
        Page("/categories/electronics", "electronics"),
        Page("/categories/fashion", "fashion"),
        Page("/deals", "deals"),
        Page("/categories/sports", "sports"),
        Page("/categories/home-and-kitchen", "home-and-kitchen"),
        Page("/categories/books", "books"),
        Page("/categories/toys", "toys"),
    ]
)

READINGS = by_popularity(
    [
        Page("/blog", "blog"),
        Page("/blog/best-laptops", "blog"),
        Page("/about", "company"),
        Page("/contact", "support"),
        Page("/blog/running-for-beginners", "blog"),
        Page("/help/returns", "support"),
        Page("/help/shipping", "support"),
        Page("/blog/gift-ideas", "blog"),
    ]
)

REFERRERS = Weighted(
    [
        ("google.com", 36.0),
        ("direct", 24.0),
        ("email", 12.0),
        ("x.com", 9.0),
        ("reddit.com", 8.0),
        ("instagram.com", 6.0),
        ("bing.com", 3.0),
        ("youtube.com", 2.0),
    ]
)

DEVICES = Weighted([("mobile", 57.0), ("desktop", 36.0), ("tablet", 7.0)])

COUNTRIES = Weighted(
    [
        ("US", 30.0),
        ("KR", 14.0),
        ("DE", 9.0),
        ("GB", 8.0),
        ("JP", 7.0),
        ("FR", 6.0),
        ("IN", 6.0),
        ("BR", 5.0),
        ("CA", 4.0),
        ("AU", 3.0),
        ("ES", 2.0),
        ("NL", 2.0),
        ("SE", 2.0),
        ("MX", 1.0),
        ("SG", 1.0),
    ]
)
