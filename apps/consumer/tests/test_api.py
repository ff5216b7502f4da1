import codecs
import csv
import gzip
import io
import json
from typing import Any

import jsonschema
import pytest

from clickstream_consumer.tabular import COLUMNS
from clickstream_core.receipts import PartitionReceipt, encode_receipt
from kit.page import Site


def windows(site: Site, query: str = "") -> list[dict[str, Any]]:
    status, headers, body = site.ask(f"/api/windows{query}")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
    found = json.loads(body)["windows"]
    assert isinstance(found, list)
    return found


def test_windows_are_newest_last_with_the_position_to_follow_from(site: Site) -> None:
    site.fill(5)
    answer = json.loads(site.ask("/api/windows")[2])
    assert [each["window_end"] for each in answer["windows"]] == [
        "2026-09-21T14:11:30Z",
        "2026-09-21T14:12:00Z",
        "2026-09-21T14:12:30Z",
        "2026-09-21T14:13:00Z",
        "2026-09-21T14:13:30Z",
    ]
    assert answer["position"] == "0:2,1:2,2:1"


def test_a_revision_replaces_its_window(site: Site) -> None:
    site.fill(3)
    site.add(0, revision=1, total_events=4444)
    assert [(each["total_events"], each["revision"]) for each in windows(site)][-1] == (4444, 1)
    assert len(windows(site)) == 3


def test_ranges_and_limits_choose_among_the_windows(site: Site) -> None:
    site.fill(450)
    assert len(windows(site)) == 100
    assert len(windows(site, "?limit=20160")) == 450
    chosen = windows(site, "?from=2026-09-21T14:12:00Z&to=2026-09-21T23:13:00%2B09:00")
    assert [each["window_start"] for each in chosen] == ["2026-09-21T14:12:00Z", "2026-09-21T14:12:30Z"]
    unescaped = "?from=2026-09-21T14:12:00+00:00&to=2026-09-21T23:13:00+09:00"
    assert windows(site, unescaped) == chosen
    assert windows(site, "?from=2027-01-01T00:00:00Z") == []


def test_totals_leave_out_the_maps(site: Site) -> None:
    site.fill(1)
    (window,) = windows(site, "?fields=totals")
    assert set(window) == {
        *("window_start", "window_end", "total_events", "unique_users", "unique_sessions"),
        *("avg_duration_ms", "revision", "approximate"),
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit=0: expected a whole number between 1 and 20160"),
        ("limit=many", "limit=many: expected a whole number between 1 and 20160"),
        ("limit=1&limit=2", "limit=2: given twice"),
        ("from=yesterday", "from=yesterday: is not an RFC 3339 date-time such as 2024-10-26T10:30:45.123Z;"),
        ("to=2026-09-21T14:12:00", "to=2026-09-21T14:12:00: has no UTC offset, expected Z or +hh:mm at its end;"),
        ("fields=some", "fields=some: expected all or totals"),
        ("since=1", "since=1: unknown parameter; expected from, to, limit, fields"),
        ("&".join(f"a{n}=1" for n in range(50)), "expected at most 20 parameters"),
        ("limit=%FF", "limit=\ufffd: expected a whole number"),
    ],
)
def test_a_wrong_parameter_is_a_400_with_what_is_allowed(site: Site, query: str, message: str) -> None:
    status, headers, body = site.ask(f"/api/windows?{query}")
    assert (status, headers["content-type"]) == (400, "application/json")
    assert message in json.loads(body)["error"]


def test_a_wrong_position_is_a_400_too(site: Site) -> None:
    status, _, body = site.ask("/api/stream?after=now")
    assert status == 400
    assert json.loads(body)["parameter"] == "after"


def test_csv_has_a_row_per_window_and_names_only_inside_json(site: Site) -> None:
    site.fill(3)
    site.add(1, event_types={"page_view": 10, "=cmd|' /C calc'!A0": 5}, top_pages={'=HYPERLINK("x")': 3})
    status, headers, body = site.ask("/api/windows.csv")
    assert status == 200
    assert headers["content-type"].startswith("text/csv")
    assert headers["content-disposition"] == 'attachment; filename="clickstream-windows.csv"'
    header, *rows = list(csv.reader(io.StringIO(body.decode())))
    assert tuple(header) == COLUMNS
    assert len(rows) == 4
    newest = dict(zip(header, rows[-1], strict=True))
    assert newest["window_end"] == "2026-09-21T14:14:00Z"
    assert (newest["events_page_view"], newest["events_other"], newest["events_purchase"]) == ("10", "5", "0")
    assert json.loads(newest["top_pages"]) == {'=HYPERLINK("x")': 3}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_csv_begins_with_a_byte_order_mark_when_that_is_asked_for(site: Site) -> None:
    site.fill(500)
    plain = site.ask("/api/windows.csv?limit=400")[2]
    status, headers, marked = site.ask("/api/windows.csv?limit=400&bom=1")
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert not plain.startswith(codecs.BOM_UTF8)
    assert marked == codecs.BOM_UTF8 + plain
    compressed = site.ask("/api/windows.csv?limit=400&bom=1", headers={"Accept-Encoding": "gzip"})[2]
    assert gzip.decompress(compressed) == marked


@pytest.mark.parametrize("value", ["0", "true", "", "2", "01"])
def test_another_byte_order_mark_is_a_400(site: Site, value: str) -> None:
    status, _, body = site.ask(f"/api/windows.csv?bom={value}")
    assert status == 400
    assert json.loads(body) == {"error": f"bom={value}: expected 1", "parameter": "bom", "value": value}
    assert b"bom=1: unknown parameter; expected from, to, limit, fields" in site.ask("/api/windows?bom=1")[2]


def test_countries_are_answered_where_the_results_have_them(site: Site) -> None:
    site.add(1)
    site.add(2, countries={"KR": 7})
    assert [window.get("countries") for window in windows(site)] == [None, {"KR": 7}]
    rows = csv.DictReader(io.StringIO(site.ask("/api/windows.csv")[2].decode()))
    assert [row["countries"] for row in rows] == ["", '{"KR":7}']


def test_answers_are_compressed_for_clients_that_accept_gzip(site: Site) -> None:
    site.fill(500)
    plain = site.ask("/api/windows?limit=500")[2]
    _, headers, body = site.ask("/api/windows?limit=500", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert headers["content-encoding"] == "gzip"
    assert len(body) < len(plain) / 5
    assert gzip.decompress(body) == plain
    assert "content-encoding" not in site.ask("/api/windows", headers={"Accept-Encoding": "gzip;q=0"})[1]


def test_a_window_is_as_openapi_describes_it(site: Site) -> None:
    site.fill(2)
    site.add(1, countries={"KR": 7})
    status, headers, body = site.ask("/api/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    description = json.loads(body)
    answer = json.loads(site.ask("/api/windows")[2])
    schema = description["paths"]["/api/windows"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema | {"components": description["components"]}).validate(answer)
    for path, operations in description["paths"].items():
        assert site.ask(f"{path}?nothing=1")[0] == 400, f"{path} is described and must refuse what is not described"
        assert set(operations) == {"get"}
    limit = description["components"]["parameters"]["limit"]["schema"]
    assert site.ask(f"/api/windows?limit={limit['maximum']}")[0] == 200
    assert site.ask(f"/api/windows?limit={limit['maximum'] + 1}")[0] == 400


def test_receipts_are_those_of_the_windows(site: Site) -> None:
    receipt = encode_receipt({0: PartitionReceipt(1, 9, 7, {"late": 2}), 5: PartitionReceipt(3, 3, 1, None)})
    assert receipt is not None
    site.fill(2)
    site.add(1, receipt, revision=3)
    status, headers, body = site.ask("/api/receipts?limit=2")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
    answer = json.loads(body)
    assert answer["position"] == "0:1,1:1,2:1"
    assert answer["receipts"] == [
        {
            "window_start": "2026-09-21T14:13:00Z",
            "window_end": "2026-09-21T14:13:30Z",
            "revision": 0,
            "receipt": None,
        },
        {
            "window_start": "2026-09-21T14:13:30Z",
            "window_end": "2026-09-21T14:14:00Z",
            "revision": 3,
            "receipt": json.loads(receipt),
        },
    ]
    described = json.loads(site.ask("/api/openapi.json")[2])
    schema = {**described["components"]["schemas"]["WindowReceipt"], "components": described["components"]}
    for each in answer["receipts"]:
        jsonschema.validate(each, schema)
    assert site.ask("/api/receipts?fields=totals")[0] == 400


def test_nothing_can_be_changed(site: Site) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/", "/api/windows", "/api/stream"):
            status, headers, _ = site.ask(path, method)
            assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert site.ask("/api/windows", "HEAD")[::2] == (200, b"")
