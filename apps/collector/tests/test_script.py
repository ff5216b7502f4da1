import gzip
from collections.abc import Iterator

import pytest

from kit.in_process import InProcess, in_process
from kit.snippet import SNIPPET


@pytest.fixture(scope="module")
def site() -> Iterator[InProcess]:
    with in_process() as site:
        yield site


def test_the_script_is_the_one_in_the_package(site: InProcess) -> None:
    reply = site.ask("GET", "/clickstream.js")
    assert (reply.status, reply.body) == (200, SNIPPET.read_bytes())
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["cache-control"] == "public, max-age=3600"
    assert reply.headers["vary"] == "accept-encoding"


def test_any_page_may_use_it_with_its_integrity_checked(site: InProcess) -> None:
    headers = site.ask("GET", "/clickstream.js").headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"


def test_it_is_compressed_for_clients_that_accept_it(site: InProcess) -> None:
    reply = site.ask("GET", "/clickstream.js", accept_encoding="br, gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == SNIPPET.read_bytes()


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        *(("gzip", True), ("GZIP;q=0.5", True), ("br, *", True), ("x-gzip", True), ("identity, gzip ; q=1", True)),
        *(
            ("", False),
            ("br", False),
            ("gzip;q=0", False),
            ("*;q=0", False),
            ("gzip;q=0.0, *", False),
            ("gzip;q=x", False),
        ),
    ],
)
def test_a_weight_of_0_is_a_refusal(site: InProcess, accepted: str, compressed: bool) -> None:
    reply = site.ask("GET", "/clickstream.js", accept_encoding=accepted)
    assert (reply.headers.get("content-encoding") == "gzip") is compressed


@pytest.mark.parametrize("path", ["/clickstream.js", "/openapi.json"])
def test_who_has_it_gets_it_not_again(site: InProcess, path: str) -> None:
    etag = site.ask("GET", path).headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        reply = site.ask("GET", path, if_none_match=known)
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)
        assert "content-length" not in reply.headers
    assert site.ask("GET", path, if_none_match='"other"').status == 200


def test_only_reading_is_allowed(site: InProcess) -> None:
    assert site.ask("HEAD", "/clickstream.js").body == b""
    reply = site.ask("POST", "/clickstream.js")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/ingest/", "/clickstream.js/..", "/healthz", "/metrics", "*", ""])
def test_what_is_not_there_is_told_with_what_is(site: InProcess, path: str) -> None:
    reply = site.ask("GET", path)
    assert (reply.status, "/ingest" in reply.error()) == (404, True)


def test_load_balancers_that_ask_for_the_root_hear_that_it_is_there(site: InProcess) -> None:
    reply = site.ask("GET", "/")
    assert (reply.status, reply.body.count(b"\n"), b"/ingest" in reply.body) == (200, 1, True)
    assert reply.headers["content-type"].startswith("text/plain")
    assert (site.ask("HEAD", "/").status, site.ask("HEAD", "/").body) == (200, b"")
    refused = site.ask("POST", "/")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
