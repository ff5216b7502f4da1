"""The web shop that the simulated users visit, and where they come from (`catalogue.json`).

Popularity follows Zipf's law, like page views of real sites: the n-th page of a list is viewed in proportion to
1 / n ** 0.9. Shares of devices, countries and referrers are fixed weights.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate
from typing import Generic, TypeVar

import msgspec

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


class _Catalogue(msgspec.Struct, frozen=True):
    """The file: categories by page, the most popular page first, and weights."""

    products: dict[str, str]
    listings: dict[str, str]
    readings: dict[str, str]
    referrers: dict[str, float]
    devices: dict[str, float]
    countries: dict[str, float]


def _pages(categories: Mapping[str, str]) -> Weighted[Page]:
    return by_popularity([Page(url, category) for url, category in categories.items()])


HOME = Page("/", "home")
SEARCH = Page("/search", "search")
CART = Page("/cart", "cart")
CHECKOUT = Page("/checkout", "checkout")
ORDERS = Page("/account/orders", "account")

_catalogue = msgspec.json.decode((files("clickstream_producer") / "catalogue.json").read_bytes(), type=_Catalogue)
PRODUCTS = _pages(_catalogue.products)
LISTINGS = _pages(_catalogue.listings)
READINGS = _pages(_catalogue.readings)
REFERRERS = Weighted([*_catalogue.referrers.items()])
DEVICES = Weighted([*_catalogue.devices.items()])
COUNTRIES = Weighted([*_catalogue.countries.items()])
