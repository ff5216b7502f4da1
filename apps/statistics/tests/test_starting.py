import time
from pathlib import Path

from clickstream_core.service import Health
from clickstream_core.shutdown import StopRequest
from clickstream_statistics.job import starting

DEADLINE_S = 20


class Beats(Health):
    """Counts its beats."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def beat(self) -> None:
        self.count += 1


def test_the_process_is_alive_as_long_as_spark_starts(tmp_path: Path) -> None:
    stopping, health = StopRequest(), Beats()
    deadline = time.monotonic() + DEADLINE_S
    with starting(stopping, health, str(tmp_path)):
        while health.count < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert tmp_path.exists()
    stopping.set()
