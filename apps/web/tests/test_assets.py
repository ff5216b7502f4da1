"""Files with a hash in their address."""

import gzip
from pathlib import Path

from starlette.routing import Route

from clickstream_web.assets import SHARED, Assets
from clickstream_web.shell import application
from kit.asgi import ask

ASSETS = Assets(SHARED)
APP = application([ASSETS.route])
NAME = "vendor/echarts.common.min.js"
ECHARTS = (SHARED / NAME).read_bytes()


async def test_a_file_is_kept_for_a_year_at_the_address_with_its_hash_and_nowhere_else() -> None:
    current = await ask(APP, f"/static/{ASSETS.version}/{NAME}")
    assert (current.status, current.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert current.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert current.headers["vary"] == "Accept-Encoding"
    assert int(current.headers["content-length"]) == len(current.body)
    assert current.body == ECHARTS
    other = await ask(APP, f"/static/0123456789abcdef/{NAME}")
    assert (other.body, other.headers["cache-control"]) == (ECHARTS, "no-cache")


async def test_it_is_sent_gzipped_and_only_once() -> None:
    packed = await ask(APP, f"/static/x/{NAME}", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(packed.body)
    assert gzip.decompress(packed.body) == ECHARTS
    known = await ask(APP, f"/static/x/{NAME}", if_none_match=f'"other", {packed.headers["etag"]}')
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", packed.headers["etag"])


async def test_only_its_files_are_served() -> None:
    for path in ("x/../assets.py", "x/..%2fassets.py", "x/", "", "x/no.js", NAME):
        answer = await ask(APP, f"/static/{path}")
        assert (answer.status, answer.body) == (404, b"no such file\n"), path


async def test_head_sends_no_body() -> None:
    answer = await ask(APP, f"/static/x/{NAME}", "HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(ECHARTS)))


def test_a_further_folder_changes_the_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>A page</title>")
    more = Assets(SHARED, tmp_path)
    assert more.version != ASSETS.version
    assert more[NAME].content == ECHARTS
    assert more["index.html"].content_type == "text/html; charset=utf-8"
    assert isinstance(more.route, Route)


def test_the_charts_library_has_its_licence() -> None:
    vendor = SHARED / "vendor"
    assert "Apache License" in (vendor / "echarts.LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache Software Foundation" in (vendor / "echarts.NOTICE.txt").read_text(encoding="utf-8")
    assert "Mike" in (vendor / "echarts.LICENSE-d3.txt").read_text(encoding="utf-8")
