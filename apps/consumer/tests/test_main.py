import os
import signal
import sys
from collections import namedtuple
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from clickstream_consumer import main as module
from clickstream_consumer.dashboard import block
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.labels import LABELS
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics

Record = namedtuple("Record", ["value", "partition", "offset", "headers"])


class OneResult:
    """A connection that brings one result and then the signal to stop."""

    value = b""
    closed = False

    def __init__(self, *_: Any) -> None:
        self._polls = 0

    def poll(self, timeout_ms: int) -> list[Record]:
        self._polls += 1
        if self._polls == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return [Record(self.value, 2, 9, [])] if self._polls == 1 else []

    def is_connected(self) -> bool:
        return True

    is_member = has_topic = may_read_topic = is_connected

    def close(self) -> None:
        type(self).closed = True


def test_a_result_is_shown_and_a_signal_ends_the_loop_with_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reference: WindowMetrics
) -> None:
    monkeypatch.setattr(OneResult, "value", encode_window_metrics(reference))
    monkeypatch.setattr(module, "Connection", OneResult)
    monkeypatch.setattr(module, "Instruments", lambda: Instruments(CollectorRegistry()))
    monkeypatch.setattr(sys, "argv", ["clickstream-consumer", "--http-port", "0", "--language", "ko"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert OneResult.closed
    out = capsys.readouterr().out
    assert out.startswith("🚀 메트릭 컨슈머를 시작합니다...\n📥 소스: clickstream-metrics\n")
    assert f"{block(reference, LABELS['ko'])}\n📍 Partition: 2 | Offset: 9 | Total consumed: 1\n" in out


def test_a_wrong_setting_ends_the_program_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clickstream-consumer", "--language", "fr"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert "DASHBOARD_LANGUAGE=fr" in capsys.readouterr().err
