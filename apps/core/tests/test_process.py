"""How a program ends: its exit status and its last words."""

import json
import sys
import threading

import pytest

from clickstream_core.errors import SettingsError
from clickstream_core.process import run


def test_a_settings_error_ends_the_program_with_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise SettingsError("RATE=fast: expected a number")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(": RATE=fast: expected a number\n")


@pytest.mark.parametrize(
    ("argv", "environ"), [([], "json"), (["--log-format", "json"], ""), (["--log-format=JSON", "--rate"], "text")]
)
def test_in_json_format_the_line_about_a_wrong_setting_is_json(
    argv: list[str], environ: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/clickstream-producer", *argv])
    monkeypatch.setenv("LOG_FORMAT", environ)

    def main() -> int:
        raise SettingsError("RATE=fast: expected a number")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    record = json.loads(capsys.readouterr().err)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "ERROR",
        "app": "clickstream-producer",
        "logger": "clickstream_core.process",
        "message": "RATE=fast: expected a number",
    }


def test_an_unhandled_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def main() -> int:
        raise LookupError("odd")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 1
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


def test_an_error_that_ends_a_thread_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise LookupError("odd")

    def main() -> int:
        thread = threading.Thread(target=fail, name="page-feed")
        thread.start()
        thread.join()
        return 0

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 0
    (record,) = caplog.records
    assert "page-feed" in record.getMessage()
    assert record.exc_info is not None


def test_the_status_that_main_returns_is_the_programs_status() -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda: 3)
    assert ended.value.code == 3


def test_ctrl_c_during_the_start_ends_without_a_traceback() -> None:
    def main() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 130
