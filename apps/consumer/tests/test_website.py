import gzip
import re
from importlib.resources import files

import msgspec

from kit.page import Site

WEB = files("clickstream_consumer") / "web"


def test_every_answer_forbids_what_the_page_does_not_need(site: Site) -> None:
    for path in ("/", "/api/windows", "/api/windows?limit=x", "/api/openapi.json", "/static/x/main.js", "/static/no"):
        headers = site.ask(path)[1]
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"


def test_the_page_has_no_script_and_no_style_inside(site: Site) -> None:
    page = site.ask("/")[2].decode()
    assert re.findall(r"<script(?![^>]* src=)[^>]*>", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []
    assert re.findall(r"(?:src|href)=\"https?:", page) == [], "nothing from elsewhere: the page works offline"
    assert re.findall(r"(?:src|href)=\"/", page) == [], "nor from the root: a proxy may serve the page below a path"


def test_the_address_chooses_over_the_browser(site: Site) -> None:
    def language(path: str, **headers: str) -> str:
        found = re.search(r'<html lang="(\w+)">', site.ask(path, headers=headers)[2].decode())
        assert found is not None
        return found[1]

    korean = {"Accept-Language": "ko-KR"}
    assert language("/") == "en"
    assert language("/", **korean) == "ko"
    assert language("/?lang=en", **korean) == "en"
    assert language("/?lang=ko") == "ko"
    assert language("/?lang=fr&x=%FF") == "en"
    assert "클릭스트림 메트릭" in site.ask("/?lang=ko")[2].decode()


def test_both_languages_have_all_words_and_nothing_else() -> None:
    messages = msgspec.json.decode((WEB / "messages.json").read_bytes(), type=dict[str, dict[str, str]])
    assert messages["en"].keys() == messages["ko"].keys()
    for key, text in messages["en"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", messages["ko"][key])), key
    sources = "".join(
        file.read_text(encoding="utf-8") for file in WEB.iterdir() if file.name.endswith((".html", ".js"))
    )
    indirect = {"banner_" + name for name in ("connecting", "joining", "away", "refused", "no_topic", "lost", "failed")}
    unused = {key for key in messages["en"] if key not in sources} - indirect
    assert unused == set()


def test_files_are_kept_for_a_year_at_an_address_with_their_hash(site: Site) -> None:
    page = site.ask("/")[2].decode()
    found = re.search(r"static/([0-9a-f]{16})/main.js", page)
    assert found is not None
    status, headers, body = site.ask(f"/static/{found[1]}/main.js")
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert body == (WEB / "main.js").read_bytes()
    # A page of another version, during a rollout, gets the file that there is, and must not keep it.
    assert site.ask("/static/0123456789abcdef/main.js")[1]["cache-control"] == "no-cache"


def test_a_browser_with_the_current_version_gets_304(site: Site) -> None:
    for path in ("/", "/static/x/page.css", "/api/openapi.json"):
        etag = site.ask(path)[1]["etag"]
        status, headers, body = site.ask(path, headers={"If-None-Match": etag})
        assert (status, body, headers["etag"]) == (304, b"", etag)
        assert site.ask(path, headers={"If-None-Match": '"other"'})[0] == 200


def test_large_files_are_sent_compressed(site: Site) -> None:
    path = "/static/x/vendor/echarts.common.min.js"
    plain = site.ask(path)[2]
    _, headers, body = site.ask(path, headers={"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert len(body) < len(plain) / 2


def test_only_files_of_the_page_are_served(site: Site) -> None:
    for path in ("/static/x/../main.py", "/static/x/..%2fmain.py", "/static/x/", "/static/", "/static/x/no.js", "/x"):
        assert site.ask(path)[0] == 404, path


def test_the_health_pages_are_as_they_were(site: Site) -> None:
    status, headers, body = site.ask("/healthz")
    assert (status, body) == (200, b"ok\n")
    assert "content-security-policy" not in headers
