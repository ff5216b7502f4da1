"""Whatever is asked, the answer is one that /openapi.json describes."""

import gzip
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from clickstream_core.events import decode_event
from clickstream_core.timestamps import parse_timestamp
from kit.in_process import InProcess, Reply, in_process

OPENAPI = json.loads((files("clickstream_collector") / "web" / "openapi.json").read_text())
PATHS: dict[str, Any] = OPENAPI["paths"]
TRACKED = "/{scenario_id}"
SITE_KEY = "shop"


def resolved(node: Any) -> Any:
    """The description with each reference replaced by what it stands for; what stands beside one is kept."""
    if isinstance(node, list):
        return [resolved(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: resolved(value) for name, value in node.items() if name != "$ref"}
    if "$ref" in node:
        target: Any = OPENAPI
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return {**resolved(target), **found}
    return found


@pytest.fixture(scope="module")
def site() -> Iterator[InProcess]:
    with in_process(ALLOWED_ORIGINS="https://shop.example.com,https://*.example.org") as site:
        yield site


@pytest.fixture(scope="module")
def strict_site() -> Iterator[InProcess]:
    """A site with keys and a tight limit."""
    with in_process(SITE_KEYS=SITE_KEY, LIMIT="0.5") as site:
        yield site


@pytest.fixture(scope="module")
def lonely_site() -> Iterator[InProcess]:
    """A site without Kafka."""
    with in_process() as site:
        site.disconnect()
        yield site


def conforms(reply: Reply, method: str, target: str) -> None:
    """Assert that the answer is described for this endpoint, headers and body included."""
    path = target.partition("?")[0]
    if re.fullmatch("/[0-9]{1,18}", path):
        path = TRACKED
    described = PATHS.get(path, {}).get(method.lower())
    if described is None:
        assert reply.status == (405 if path in PATHS else 404), reply
        assert (reply.status == 405) == ("allow" in reply.headers)
        schema = {"$ref": "#/components/schemas/Error"}
        Draft202012Validator(resolved(schema)).validate(reply.json())
        return
    assert str(reply.status) in described["responses"], reply
    response = resolved(described["responses"][str(reply.status)])
    for name, header in response.get("headers", {}).items():
        if name.lower() not in reply.headers:
            assert not header.get("required"), f"{name} is missing: {reply}"
            continue
        value = reply.headers[name.lower()]
        Draft202012Validator(header["schema"]).validate(
            int(value) if header["schema"].get("type") == "integer" else value
        )
    if "content" not in response:
        assert reply.body == b""
        return
    ((content_type, content),) = response["content"].items()
    assert reply.headers["content-type"].partition(";")[0] == content_type
    assert reply.headers["content-length"] == str(len(reply.body))
    if content_type == "application/json":
        Draft202012Validator(content["schema"]).validate(json.loads(reply.body))


texts = st.text(max_size=30) | st.sampled_from(["", "/", "/products", "2024-10-26T10:30:45.123Z", "\ud800", "x" * 9000])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=12,
)
NAMES = sorted(OPENAPI["components"]["schemas"]["Event"]["properties"])
events = st.dictionaries(st.sampled_from(NAMES), texts | json_values, max_size=6) | st.fixed_dictionaries(
    {"path": texts},
    optional={
        "event_id": texts,
        "timestamp": st.datetimes().map(lambda time: time.isoformat() + "Z") | texts,
        "duration_ms": st.integers() | st.floats(),
        "consent": st.booleans(),
        "scenario": st.integers(-1, 10**19) | texts,
        "parameters": st.dictionaries(texts, json_values, max_size=3) | json_values,
    },
)


MANY = settings(max_examples=300, deadline=None)


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


bodies = st.one_of(
    st.binary(max_size=200),
    events.map(written),
    st.lists(events | json_values, max_size=5).map(written),
    json_values.map(written),
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    events.map(lambda event: gzip.compress(written(event))),
    st.tuples(events.map(written), st.binary(max_size=3)).map(lambda parts: parts[0] + parts[1]),
    st.tuples(events.map(written), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
)
header_values = st.binary(max_size=40).map(lambda value: value.translate(None, b"\r\n\0"))
headers = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([b"content-type"]),
            st.sampled_from([b"application/json", b"text/plain;charset=UTF-8", b"text/plain; charset=latin-1", b";;"])
            | header_values,
        ),
        st.tuples(st.just(b"content-encoding"), st.sampled_from([b"gzip", b"identity", b"", b"br"]) | header_values),
        st.tuples(st.just(b"content-length"), st.sampled_from([b"0", b"9" * 5000, b"-1", b"1e3", b"\xb2"])),
        st.tuples(
            st.just(b"origin"),
            st.sampled_from([b"https://shop.example.com", b"https://a.b.example.org", b"null"]) | header_values,
        ),
        st.tuples(st.just(b"user-agent"), st.sampled_from([b"Googlebot/2.1", b"curl/8"]) | header_values),
        st.tuples(st.just(b"x-forwarded-for"), st.sampled_from([b"203.0.113.7, 10.0.0.1", b",,", b"[::"])),
        st.tuples(st.just(b"cf-ipcountry"), st.sampled_from([b"KR", b"XX"]) | header_values),
        st.tuples(st.just(b"referer"), st.sampled_from([b"https://shop.example.com/a?b", b"http://["]) | header_values),
        st.tuples(st.sampled_from([b"dnt", b"sec-gpc"]), st.sampled_from([b"1", b"0"])),
        st.tuples(st.sampled_from([b"accept-encoding", b"if-none-match"]), header_values),
        st.tuples(st.sampled_from([b"x-a", b"cookie", b"host"]), header_values),
    ),
    max_size=5,
)
queries = st.one_of(
    st.just(""),
    st.text("abz=&%;+/0189\x7fé", max_size=40).map("?{}".format),
    st.sampled_from(["?key=shop", "?key=" + "k" * 65, "?sent_at=2024-10-26T10:30:45Z", "?sent_at=no", "?key=%ff%00"]),
    st.dictionaries(st.sampled_from([*NAMES, "key"]), st.sampled_from(["", "1", "/a", "%ff", "%ed%a0%80", "x" * 9000]))
    .map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs.items()))
    .map("?{}".format),
)
ASKED = ["/5", "/0", *(path for path in PATHS if path != TRACKED)]
paths = st.sampled_from([*ASKED, *(f"{path}/" for path in ASKED if path != "/"), "*", ""])
targets = st.tuples(paths | st.text("/.%aé\x00", max_size=9).map("/{}".format), queries).map("".join)
methods = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND", ""])


def test_the_description_describes_what_it_should() -> None:
    assert OPENAPI["openapi"] == "3.1.0"
    for schema in OPENAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(resolved(schema))
    assert set(PATHS) == {"/", "/ingest", "/pixel.gif", TRACKED, "/clickstream.js", "/openapi.json"}


def test_its_examples_fit_its_schemas(site: InProcess) -> None:
    post = resolved(PATHS["/ingest"]["post"])
    sent = post["requestBody"]["content"]["application/json"]
    for each in sent["examples"].values():
        Draft202012Validator(sent["schema"]).validate(each["value"])
        assert site.post(each["value"]).status == 200
    answer = post["responses"]["200"]["content"]["application/json"]
    for each in answer["examples"].values():
        Draft202012Validator(answer["schema"]).validate(each["value"])


def test_an_event_that_the_schema_refuses_is_refused(site: InProcess) -> None:
    schema = Draft202012Validator(resolved({"$ref": "#/components/schemas/Event"}))
    for event in ({}, {"path": 5}, {"path": "/", "duration_ms": -1}, {"path": "/", "consent": "no"}, {"tag": "A"}):
        with pytest.raises(jsonschema.ValidationError):
            schema.validate(event)
        assert site.post(event).status == 400


@MANY
@given(methods, targets, headers, st.lists(bodies, min_size=1, max_size=3))
def test_anything(site: InProcess, method: str, target: str, headers: Any, parts: list[bytes]) -> None:
    conforms(site.ask_raw(method, target, parts, headers), method, target)


@MANY
@given(targets=queries.map("/ingest{}".format), headers=headers, body=bodies)
@example("/ingest", [], b'{"path":"\\ud800"}')
@example("/ingest", [], b'{"path":"/","\\ud800":"\\udfff"}')
@example("/ingest", [], b'{"path":"/","path":7}')
@example("/ingest", [], b'{"path":"/","duration_ms":NaN}')
@example("/ingest", [], b'{"path":"/","duration_ms":1e400}')
@example("/ingest", [], b'{"path":"/","duration_ms":' + b"9" * 60_000 + b"}")
@example("/ingest", [], b'{"path":"/","duration_ms":9223372036854775808}')
@example("/ingest", [], b'{"path":"/","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
@example("/ingest", [], b"[" * 500_000)
@example("/ingest", [], b"[" + b"0," * 499_000 + b"0]")
@example("/ingest", [], b'["\\ud800",{"path":"\\ud800"}]')
@example("/ingest", [(b"content-encoding", b"gzip")], gzip.compress(b"[" + b" " * 20_000_000 + b"]", 1))
@example("/ingest", [(b"content-encoding", b"gzip")], gzip.compress(b'{"path":"/"}') + b"\0")
@example("/ingest", [(b"content-encoding", b"gzip")], gzip.compress(b'{"path":"/"}')[:-1])
@example("/ingest?sent_at=0001-01-01T00:00:00Z", [], b'{"path":"/","timestamp":"9999-12-31T23:59:59.999Z"}')
@example("/ingest?sent_at=9999-12-31T23:59:59Z", [], b'{"path":"/","timestamp":"0001-01-01T00:00:00.000Z"}')
def test_any_body(site: InProcess, targets: str, headers: Any, body: bytes) -> None:
    conforms(site.ask_raw("POST", targets, [body], headers), "POST", targets)


@MANY
@given(queries, headers)
@example("?path=/&" + "&" * 17_000, [])
@example("?path=/&duration_ms=" + "9" * 30, [])
@example("?path=%2F&duration_ms=٣".encode().decode("latin-1"), [])
def test_any_pixel(site: InProcess, query: str, headers: Any) -> None:
    for path in ("/pixel.gif", "/5"):
        conforms(site.ask_raw("GET", f"{path}{query}", [b""], headers), "GET", path)


@MANY
@given(st.lists(events, min_size=1, max_size=4), st.sampled_from(["", f"?key={SITE_KEY}", "?key=other"]))
def test_limits_and_keys_are_described_too(strict_site: InProcess, batch: list[Any], query: str) -> None:
    reply = strict_site.post(batch, f"/ingest{query}")
    conforms(reply, "POST", "/ingest")
    assert (reply.status == 403) == (query != f"?key={SITE_KEY}")


@MANY
@given(bodies)
def test_so_is_kafkas_absence(lonely_site: InProcess, body: bytes) -> None:
    reply = lonely_site.post(body)
    conforms(reply, "POST", "/ingest")
    assert reply.status in (503, 400, 204, 200)
    if reply.status == 200:
        assert reply.json()["accepted"] == 0
        assert all(not each["error"].startswith("not JSON") for each in reply.json()["rejected"])


@MANY
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), texts | json_values, max_size=8), max_size=3))
def test_what_is_stored_is_an_event_that_the_processor_counts(site: InProcess, batch: list[Any]) -> None:
    before = len(site.producer.written())
    reply = site.post(batch)
    stored = site.producer.written()[before:]
    if "accepted" in reply.json():
        assert len(stored) <= reply.json()["accepted"]
    for record in stored:
        event = decode_event(record.value)
        assert parse_timestamp(event.timestamp) <= record.timestamp
        assert record.key == event.user_id.encode()
