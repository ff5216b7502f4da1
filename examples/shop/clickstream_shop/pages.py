"""The demo shop's pages, made once for a collector's address from the files in `site/`.

The paths are those that the producer's simulated users visit, so both have the same names in the dashboard. The
language is in the query (`?lang=ko`), which is not part of an event's page.
"""

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from clickstream_web.assets import filled

LANGUAGES = ("en", "ko")
_FOLDER = files("clickstream_shop") / "site"
_CURRENCIES = {"en": "USD", "ko": "KRW"}
_POPULAR = 8
_RELATED = 4


def read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


class Pages:
    """The pages in one language. `collector` is the origin that the snippet comes from."""

    def __init__(self, language: str, collector: str) -> None:
        catalogue = json.loads(read("catalogue.json"))
        other = next(each for each in LANGUAGES if each != language)
        self._language = language
        self._words: dict[str, str] = json.loads(read("messages.json"))[language] | {
            "language": language,
            "other_language_code": other,
            "currency": _CURRENCIES[language],
            "collector": collector,
        }
        self._products: list[dict[str, Any]] = catalogue["products"]
        self._categories: dict[str, str] = {each["slug"]: each[language] for each in catalogue["categories"]}

    def all(self) -> dict[str, bytes]:
        """Return every page by its path, and the one for other paths as ""."""
        words = self._words
        deals = [each for each in self._products if each["deal"]]
        pages = {
            "/": self._page("/", words["home"], "home", "home.html", self._home()),
            "/deals": self._listing("/deals", words["deals"], "deals", deals),
            "/search": self._page("/search", words["search"], "search", "search.html", self._cards(self._products)),
            "/cart": self._page(
                "/cart", words["cart"], "cart", "cart.html", {"rows_html": self._each("row.html", self._products)}
            ),
            "/checkout": self._page("/checkout", words["checkout"], "checkout", "checkout.html", {}),
            "/checkout/done": self._page("/checkout/done", words["done"], "checkout", "done.html", {}),
            "": self._page("/", words["not_found"], "", "not_found.html", {}),
        }
        for slug, name in self._categories.items():
            path = f"/categories/{slug}"
            pages[path] = self._listing(path, name, slug, self._in_category(slug))
        for product in self._products:
            path = f"/products/{product['slug']}"
            pages[path] = self._page(
                path, product[self._language][0], product["category"], "product.html", self._product(product)
            )
        return pages

    def _page(self, path: str, title: str, category: str, template: str, values: Mapping[str, str]) -> bytes:
        shared = {**self._words, "path": path, "title": title, "page_category": category}
        layout = {"main_html": filled(read(template), {**shared, **values}), "navigation_html": self._navigation(path)}
        return filled(read("layout.html"), {**shared, **layout}).encode()

    def _navigation(self, path: str) -> str:
        links = {"/deals": self._words["deals"]}
        links |= {f"/categories/{slug}": name for slug, name in self._categories.items()}
        return "".join(
            f'<li><a href="{each}?lang={self._language}" data-in-page'
            f"{' aria-current=page' if each == path else ''}>{html.escape(name)}</a></li>"
            for each, name in links.items()
        )

    def _home(self) -> dict[str, str]:
        tile = read("tile.html")
        tiles = [
            filled(tile, {**self._words, "category": slug, "name": name, "slug": self._in_category(slug)[0]["slug"]})
            for slug, name in self._categories.items()
        ]
        return {"tiles_html": "".join(tiles), **self._cards(self._products[:_POPULAR])}

    def _listing(self, path: str, title: str, category: str, products: Sequence[Mapping[str, Any]]) -> bytes:
        return self._page(path, title, category, "listing.html", self._cards(products))

    def _product(self, product: Mapping[str, Any]) -> dict[str, str]:
        category = self._categories[product["category"]]
        related = [each for each in self._in_category(product["category"]) if each is not product]
        return {
            **self._of(product),
            "blurb": product[self._language][1],
            "category_name": category,
            "also_in": self._words["also"].replace("{category}", category),
            "wiki": f"https://{self._language}.wikipedia.org/wiki/{product['wiki'][self._language]}",
            **self._cards(related[:_RELATED]),
        }

    def _cards(self, products: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        return {"cards_html": self._each("card.html", products)}

    def _each(self, template: str, products: Sequence[Mapping[str, Any]]) -> str:
        part = read(template)
        return "".join(filled(part, {**self._words, **self._of(each)}) for each in products)

    def _of(self, product: Mapping[str, Any]) -> dict[str, str]:
        name: str = product[self._language][0]
        amount: int = product[_CURRENCIES[self._language].lower()]
        badge = f'<span class="badge">{html.escape(self._words["deal"])}</span>' if product["deal"] else ""
        return {
            "slug": product["slug"],
            "category": product["category"],
            "name": name,
            "names": " ".join(product[each][0] for each in LANGUAGES).lower(),
            "amount": str(amount),
            "price": f"₩{amount:,}" if self._language == "ko" else f"${amount:,}",
            "deal_html": badge,
        }

    def _in_category(self, slug: str) -> list[dict[str, Any]]:
        return [each for each in self._products if each["category"] == slug]
