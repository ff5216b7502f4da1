"""shippers/rsyslog/rewind: where a shipper that was killed goes on."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from kit.rsyslog import SHIPPER

NOW = 1_795_786_000
"""When lines were handed over for the last time."""
LINE = '{{"request_id":"{number:032x}","msec":{time}.123,"request_uri":"/5"}}\n'


class Killed:
    """What a killed rsyslogd leaves: a log with a line each second up to NOW, and its position after the last one."""

    def __init__(self, folder: Path, lines: int) -> None:
        self.work, self.logs = folder / "work", folder / "logs"
        self.work.mkdir(parents=True)
        self.logs.mkdir()
        self.log = self.logs / "tracking.log"
        text = "".join(LINE.format(number=each, time=NOW - lines + 1 + each) for each in range(lines))
        self.log.write_text(text, encoding="utf-8")
        self.size = len(text)
        self.line = self.size // lines
        self.state = self.work / f"imfile-state:{self.log.stat().st_ino}:8d97ed5ce0ea2bb7"
        self.write_state(f'{{ "filename": "x", "prev_was_nl": 0, "curr_offs": {self.size}, "strt_offs": {self.size} }}')
        (self.work / "rsyslogd.pid").write_text("1")

    def write_state(self, text: str) -> None:
        self.state.write_text(text)
        os.utime(self.state, (NOW, NOW))

    def note_outage(self, time: int) -> None:
        outages = self.work / "outages"
        outages.touch()
        os.utime(outages, (time, time))

    def rewind(self) -> int:
        """Run it; return how many lines are sent again."""
        subprocess.run([SHIPPER / "rewind", self.work, self.logs], check=True, capture_output=True, timeout=30)
        offsets = set(re.findall(r'_offs": (\d+)', self.state.read_text(encoding="utf-8")))
        assert len(offsets) == 1
        again, rest = divmod(self.size - int(offsets.pop()), self.line)
        assert rest == 0, "a line is sent from its beginning"
        return again


def test_lines_of_ten_minutes_are_sent_again_and_only_once(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 5000)
    assert killed.rewind() == 601
    assert not (killed.work / "rsyslogd.pid").exists()
    assert killed.rewind() == 601, "it does nothing unless rsyslogd was killed again"


def test_after_a_clean_end_nothing_is_sent_again(tmp_path: Path) -> None:
    ended = Killed(tmp_path, 100)
    (ended.work / "rsyslogd.pid").unlink()
    assert ended.rewind() == 0


@pytest.mark.parametrize(("outage", "again"), [(NOW - 700, 601), (NOW - 300, 2000), (NOW + 5, 2000)])
def test_if_kafka_was_away_shortly_before_all_that_librdkafka_can_hold_is_sent_again(
    tmp_path: Path, outage: int, again: int
) -> None:
    killed = Killed(tmp_path, 5000)
    killed.note_outage(outage)
    assert killed.rewind() == again


def test_a_start_counts_as_an_outage(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 100)
    killed.rewind()
    assert (killed.work / "outages").read_text() == ""


def test_a_state_that_was_being_written_is_found_again_by_the_time(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 3000)
    killed.write_state("")
    assert killed.rewind() == 601


def test_a_rotated_log_is_rewound_too_and_an_older_one_is_not(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 5000)
    killed.log.rename(killed.logs / "tracking.log.1")
    assert killed.rewind() == 601

    other = Killed(tmp_path / "other", 5000)
    old = other.logs / "tracking.log.2"
    text = "".join(LINE.format(number=each, time=NOW - 90_000 + each) for each in range(1000))
    old.write_text(text)
    state = other.work / f"imfile-state:{old.stat().st_ino}"
    state.write_text(f'{{ "curr_offs": {len(text)}, "strt_offs": {len(text)} }}')
    os.utime(state, (NOW - 90_000, NOW - 90_000))
    assert other.rewind() == 601
    assert f'"curr_offs": {len(text)}' in state.read_text()


def test_a_log_that_was_deleted_is_no_matter(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 100)
    killed.log.unlink()
    assert killed.rewind() == 0


def test_a_first_start_needs_nothing(tmp_path: Path) -> None:
    killed = Killed(tmp_path, 100)
    killed.state.unlink()
    subprocess.run([SHIPPER / "rewind", killed.work, killed.logs], check=True, timeout=30)
