"""A day's report as one HTML file: styles, charts and data are in it, so it opens without a network."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_PLACES = ("{{base_css}}", "{{echarts}}", "{{script}}", "{{data}}", "{{day}}")


def page(result: Mapping[str, Any]) -> str:
    """Return the page for the report's JSON."""
    web, shared = files("clickstream_archive").joinpath("web"), files("clickstream_web").joinpath("static")
    contents = (
        shared.joinpath("base.css").read_text(encoding="utf-8"),
        _script(shared.joinpath("vendor/echarts.common.min.js").read_text(encoding="utf-8")),
        _script(web.joinpath("report.js").read_text(encoding="utf-8")),
        json.dumps(result, ensure_ascii=False).replace("<", "\\u003c"),
        str(result["day"]),
    )
    text = web.joinpath("report.html").read_text(encoding="utf-8")
    for place, content in zip(_PLACES, contents, strict=True):
        before, _, after = text.partition(place)
        text = before + content + after
    return text


def _script(text: str) -> str:
    """JavaScript that ends no script element, whatever strings are in it."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
