"""`helm test` of the consumer, against the consumer itself."""

import pytest

from clickstream_consumer.check import check
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from kit.processes import Apps
from kit.topics import PipelineTopics, ToSend, send


@pytest.fixture
def address(topics: PipelineTopics, apps: Apps, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a ready consumer, whose settings the check has too."""
    app = apps.start("clickstream_consumer.main", environ=topics.environ)
    app.wait_until_ready(60)
    for name, value in topics.environ.items():
        monkeypatch.setenv(name, value)
    return f"http://127.0.0.1:{app.http_port}"


def test_it_passes_when_the_newest_result_of_its_processor_was_shown(
    address: str, topics: PipelineTopics, reference: WindowMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    value = encode_window_metrics(reference)
    others = (("group", b"another"),)
    send(topics.bootstrap_servers, topics.metrics, [ToSend(value, b"a", headers=topics.group_header)])
    send(topics.bootstrap_servers, topics.metrics, [ToSend(b"not read", b"b", headers=others)])
    check(address, patience_s=60)
    out = capsys.readouterr().out
    assert "newest result: 2024-10-26T10:30:00Z to 2024-10-26T10:35:00Z, 3000 events" in out
    assert f"{topics.group_id} has shown it" in out


def test_it_fails_when_there_is_no_result(address: str, topics: PipelineTopics) -> None:
    with pytest.raises(SystemExit, match=f"FAILED: no result on {topics.metrics} within 1 s"):
        check(address, patience_s=1)
