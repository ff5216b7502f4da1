import dataclasses
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from clickstream_consumer.dashboard import below, block, marks, position, printable
from clickstream_consumer.labels import LABELS, Labels
from clickstream_consumer.results import WindowResult
from clickstream_core.receipts import PartitionReceipt, encode_receipt
from clickstream_core.window_metrics import WindowMetrics

ENGLISH_BLOCK = """\
================================================================================
📊 CLICKSTREAM METRICS
================================================================================
⏰ Window: 2024-10-26T10:30:00Z → 2024-10-26T10:35:00Z

📈 OVERVIEW:
   Total Events:     3,000
   Unique Users:     100
   Unique Sessions:  684
   Avg Duration:     5,162ms

🔹 EVENT TYPES:
   click              659 ( 22.0%)
   purchase           613 ( 20.4%)
   page_view          582 ( 19.4%)
   add_to_cart        578 ( 19.3%)
   search             568 ( 18.9%)

📱 DEVICES:
   mobile           1,013 ( 33.8%)
   desktop            996 ( 33.2%)
   tablet             991 ( 33.0%)

🔗 TOP REFERRERS:
   google.com              642 ( 21.4%)
   x.com                   603 ( 20.1%)
   email                   599 ( 20.0%)

📄 TOP PAGES:
   /products/laptop                  251 (  8.4%)
   /blog                             242 (  8.1%)
   /contact                          240 (  8.0%)
================================================================================"""

KOREAN_BLOCK = """\
================================================================================
📊 클릭스트림 메트릭
================================================================================
⏰ 윈도우: 2024-10-26T10:30:00Z → 2024-10-26T10:35:00Z

📈 개요:
   총 이벤트:     3,000
   고유 사용자:   100
   고유 세션:     684
   평균 체류시간: 5,162ms

🔹 이벤트 유형:
   click              659 ( 22.0%)
   purchase           613 ( 20.4%)
   page_view          582 ( 19.4%)
   add_to_cart        578 ( 19.3%)
   search             568 ( 18.9%)

📱 디바이스:
   mobile           1,013 ( 33.8%)
   desktop            996 ( 33.2%)
   tablet             991 ( 33.0%)

🔗 상위 리퍼러:
   google.com              642 ( 21.4%)
   x.com                   603 ( 20.1%)
   email                   599 ( 20.0%)

📄 상위 페이지:
   /products/laptop                  251 (  8.4%)
   /blog                             242 (  8.1%)
   /contact                          240 (  8.0%)
================================================================================"""


@pytest.mark.parametrize(("labels", "expected"), [(LABELS["en"], ENGLISH_BLOCK), (LABELS["ko"], KOREAN_BLOCK)])
def test_the_block_is_this_text(reference: WindowMetrics, labels: Labels, expected: str) -> None:
    assert block(reference, labels) == expected


def test_the_line_below_the_block_has_the_results_position(make_result: Callable[..., WindowResult]) -> None:
    assert position(make_result()) == "📍 Partition: 1 | Offset: 42 | Total consumed: 7"


def test_the_receipt_is_below_that_if_it_is_wanted(make_result: Callable[..., WindowResult]) -> None:
    result = make_result()
    assert below(result) == [position(result)]
    assert below(result, receipts=True) == [position(result), "🧾 No receipt"]
    receipt = {
        0: PartitionReceipt(12, 2099, 2085, {"late": 1, "not_json": 2}),
        3: PartitionReceipt(7, 7, 1, {}),
        10: PartitionReceipt(8, 9, 2, None),
    }
    assert below(dataclasses.replace(result, receipt=encode_receipt(receipt)), receipts=True)[1:] == [
        "🧾 Partition 0: offsets 12 to 2099, 2,085 counted, 1 late, 2 not_json refused",
        "🧾 Partition 3: offsets 7 to 7, 1 counted, none refused",
        "🧾 Partition 10: offsets 8 to 9, 2 counted, an unknown number refused",
    ]


def test_a_revision_and_a_sketch_are_marked_behind_the_windows_end(reference: WindowMetrics) -> None:
    revised = msgspec.structs.replace(reference, revision=1)
    both = msgspec.structs.replace(reference, revision=12, approximate=True)
    assert "2024-10-26T10:35:00Z (revision 1)\n" in block(revised, LABELS["en"])
    assert marks(both) == " (revision 12) (approximate)"


def test_a_window_without_events_is_not_divided_by(reference: WindowMetrics) -> None:
    empty = msgspec.structs.replace(reference, total_events=0)
    assert "   click              659 (  0.0%)" in block(empty, LABELS["en"])


def test_equal_counts_are_ordered_by_name(reference: WindowMetrics) -> None:
    metrics = msgspec.structs.replace(reference, devices={"tablet": 5, "desktop": 5, "mobile": 7})
    lines = [line.split()[0] for line in block(metrics, LABELS["en"]).split("📱")[1].split("\n")[1:4]]
    assert lines == ["mobile", "desktop", "tablet"]


def test_counts_and_names_wider_than_their_columns_are_shown_whole(reference: WindowMetrics) -> None:
    url = "/" + "x" * 500
    metrics = msgspec.structs.replace(reference, total_events=12_345_678, top_pages={url: 12_345_678})
    assert f"\n   {url} 12,345,678 (100.0%)\n" in block(metrics, LABELS["en"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("/a\r\nFAKE", r"/a\r\nFAKE"),
        ("/\u202egnp.exe", r"/\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
        ("/상품/노트북", "/상품/노트북"),
    ],
)
def test_unprintable_characters_are_shown_as_their_code(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.dictionaries(st.text(), st.integers(0, 2**63 - 1)))
def test_no_name_brings_anything_but_printable_characters_and_one_line(pages: dict[str, int]) -> None:
    metrics = WindowMetrics("a", "b", 7, 1, 1, {}, {}, {}, pages, 0)
    lines = block(metrics, LABELS["en"]).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 19 + len(pages)


@given(st.text().filter(lambda name: cell_len(printable(name)) <= 30), st.integers(0, 999_999))
def test_columns_are_aligned_in_every_script(name: str, count: int) -> None:
    metrics = WindowMetrics("a", "b", 1_000_000, 1, 1, {}, {}, {}, {name: count}, 0)
    line = block(metrics, LABELS["en"]).split("\n")[-2]
    assert cell_len(line) == 3 + 30 + 1 + max(6, len(f"{count:,}")) + len(" ( 12.3%)")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)), st.integers(0, 2**63 - 1))
def test_a_line_of_ascii_is_padded_to_its_columns(name: str, count: int) -> None:
    metrics = WindowMetrics("a", "b", 2**63 - 1, 1, 1, {name: count}, {}, {}, {}, 0)
    assert f"   {name:<15} {count:>6,} ({100 * count / (2**63 - 1):5.1f}%)" in block(metrics, LABELS["en"]).split("\n")
