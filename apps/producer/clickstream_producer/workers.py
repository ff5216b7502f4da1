"""Several generating processes behind one command.

Above EVENTS_PER_PROCESS the load is shared. The number of processes depends on the rate alone, so a seed means the same
events on every machine. The parent handles signals, the HTTP port, the totals and the log lines. Through a pipe to each
child it receives progress and sends start and stop. A child whose pipe breaks has lost its parent.
"""

import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from clickstream_core.event_rates import EVENTS_PER_PROCESS
from clickstream_core.logs import configure_logs
from clickstream_core.shutdown import StopRequest
from clickstream_kafka.patches import apply_to_kafka_python
from clickstream_producer.generation import SENDING_GRACE_S, Share, generate
from clickstream_producer.progress import Progress, total
from clickstream_producer.settings import APP, ProducerSettings

_log = logging.getLogger(__name__)

_STOP = "stop"
_HEADROOM_S = 0.1
_STOP_TIMEOUT_S = SENDING_GRACE_S + 1.0
_EXIT_TIMEOUT_S = 1.0


def process_count(rate: float) -> int:
    """Return how many processes generate `rate` events per second."""
    return max(1, -(-int(rate) // EVENTS_PER_PROCESS))


def run_processes(
    settings: ProducerSettings,
    shares: list[Share],
    stop: StopRequest,
    watch: Callable[[Progress], None],
    *,
    connected: Callable[[], None],
) -> None:
    """Generate all `shares`, each in its own process, until the last has ended.

    `watch` gets the totals several times a second, `connected` is called when all processes can start. If a process
    dies the others are stopped, and the last totals have it as the error.
    """
    context = multiprocessing.get_context("spawn")
    workers = []
    for share in shares:
        ours, theirs = context.Pipe()
        process = context.Process(target=_child, args=(settings, share, theirs), name=f"producer-{share.index + 1}")
        process.start()
        theirs.close()
        workers.append(_Worker(process, ours))
    try:
        _watch(workers, stop, watch, connected)
    finally:
        end_by = time.monotonic() + _EXIT_TIMEOUT_S
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.end(end_by - time.monotonic())


class _Worker:
    """The parent's view of one child."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.progress = Progress()
        self.waits_for_start = False

    def receive(self) -> None:
        """Read the child's messages; a broken pipe before its last one means that it died."""
        try:
            while self.pipe.poll():
                message = self.pipe.recv()
                if message is None:
                    self.waits_for_start = True
                else:
                    self.progress = message
        except (EOFError, OSError):
            if not self.progress.finished:
                self.process.join(1.0)
                error = f"{self.process.name} ended unexpectedly ({_exit(self.process.exitcode)})"
                self.progress = replace(self.progress, finished=True, error=error)

    def send(self, message: object) -> None:
        """Send `message` to the child, unless it has ended."""
        if not self.progress.finished:
            try:
                self.pipe.send(message)
            except OSError:
                self.receive()

    def end(self, seconds: float) -> None:
        """Wait up to `seconds` for the process to end, then kill it."""
        self.process.join(max(0.0, seconds))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _watch(
    workers: list[_Worker], stop: StopRequest, watch: Callable[[Progress], None], connected: Callable[[], None]
) -> None:
    started = False
    stop_by: float | None = None
    while not all(worker.progress.finished for worker in workers):
        wait([worker.pipe for worker in workers if not worker.progress.finished], timeout=_HEADROOM_S)
        for worker in workers:
            if not worker.progress.finished:
                worker.receive()
        if not started and all(worker.waits_for_start for worker in workers):
            started = True
            connected()
            start = time.monotonic() + _HEADROOM_S
            for worker in workers:
                worker.send(start)
        totals = total([worker.progress for worker in workers])
        watch(totals)
        if stop_by is None and (stop.is_set() or totals.error):
            stop_by = time.monotonic() + _STOP_TIMEOUT_S
            for worker in workers:
                worker.send(_STOP)
        if stop_by is not None and time.monotonic() > stop_by:
            return
    watch(total([worker.progress for worker in workers]))


class _PipeControl:
    """The connection of a generating process to its parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._stopped = False

    def report(self, progress: Progress) -> None:
        self._send(progress)

    def wait_for_start(self) -> float | None:
        self._send(None)
        while not self._stopped:
            message = self._receive()
            if isinstance(message, float):
                return message
        return None

    def wait(self, seconds: float) -> bool:
        if not self._stopped and self._pipe.poll(seconds):
            self._receive()
        return self._stopped

    def _receive(self) -> object:
        try:
            message: object = self._pipe.recv()
        except (EOFError, OSError):
            message = _STOP
        self._stopped = self._stopped or message == _STOP
        return message

    def _send(self, message: Progress | None) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            self._stopped = True


def _child(settings: ProducerSettings, share: Share, pipe: Connection) -> None:
    apply_to_kafka_python()
    # Ctrl+C reaches every process of a terminal's group; children stop when the parent says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    try:
        generate(settings, share, _PipeControl(pipe))
    except Exception:
        _log.exception("Unhandled error in a generating process")
        sys.exit(1)


def _exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return f"exit status {code}"
