import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest

from clickstream_consumer.dashboard import block, position
from clickstream_consumer.labels import LABELS
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Condition, Status
from clickstream_consumer.view import PlainView
from clickstream_core.logs import configure_logs

MakeResult = Callable[..., WindowResult]
READY = Status(Condition.READY)


@pytest.fixture
def json_lines() -> Iterator[None]:
    configure_logs("INFO", "json", "consumer")
    yield
    configure_logs("INFO", "text", "consumer")


def test_each_result_is_a_block_with_its_place_below(
    capsys: pytest.CaptureFixture[str], make_result: MakeResult
) -> None:
    results = [make_result(30), make_result(30, revision=1)]
    view = PlainView(LABELS["en"])
    for result in results:
        view.show(result)
        view.refresh(Status(Condition.JOINING))
    expected = "".join(f"{block(result.metrics, LABELS['en'])}\n{position(result)}\n" for result in results)
    assert capsys.readouterr().out == expected


def test_waiting_is_announced_once_and_only_when_ready(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(LABELS["ko"])
    for condition in (Condition.CONNECTING, Condition.READY, Condition.AWAY, Condition.READY):
        view.refresh(Status(condition))
    assert capsys.readouterr().out == "⏱️ 메트릭을 기다리는 중\n"


@pytest.mark.usefixtures("json_lines")
def test_in_json_format_a_result_is_one_object_with_the_numbers(
    capsys: pytest.CaptureFixture[str], make_result: MakeResult
) -> None:
    PlainView(LABELS["en"]).show(make_result(30))
    line = json.loads(capsys.readouterr().out)
    assert line["message"].startswith("=====")
    assert (line["window"], line["partition"], line["offset"]) == ("2024-10-26T10:30:00Z", 1, 42)
    assert line["metrics"]["total_events"] == 3000
    assert "receipt" not in line


@pytest.mark.usefixtures("json_lines")
def test_in_json_format_the_receipt_is_an_object_of_its_own(
    capsys: pytest.CaptureFixture[str], make_result: MakeResult
) -> None:
    receipt = b'{"0":{"first":1,"last":2,"counted":2,"refused":{}}}'
    view = PlainView(LABELS["en"], receipts=True)
    for result in (make_result(30), dataclasses.replace(make_result(30), receipt=receipt)):
        view.show(result)
    without, line = map(json.loads, capsys.readouterr().out.splitlines())
    assert without["receipt"] is None
    assert line["receipt"] == json.loads(receipt)
    assert line["message"].endswith("🧾 Partition 0: offsets 1 to 2, 2 counted, none refused")
