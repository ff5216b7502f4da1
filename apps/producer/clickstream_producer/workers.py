"""Several generating processes behind one command.

One Python process can make and send some 20,000 events a second when it has a core for itself, which on a small
machine it has not; above EVENTS_PER_PROCESS the load is shared. How many processes there are follows from the rate
alone, so that a seed means the same events on every machine. Each process plays users of its own, and they take turns.

The parent keeps what belongs to the command: signals, the HTTP port, the totals, the log lines. A pipe to each child
carries progress up, and start and stop down. A child whose pipe breaks has lost its parent, and ends.
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

from clickstream_core.logs import configure_logs
from clickstream_core.shutdown import StopRequest
from clickstream_kafka.patches import apply_to_kafka_python
from clickstream_producer.generation import GRACE, Share, generate
from clickstream_producer.progress import Progress, total
from clickstream_producer.settings import APP, ProducerSettings

EVENTS_PER_PROCESS = 8_000
"""Events per second up to which one process does it."""

_log = logging.getLogger(__name__)

_STOP = "stop"
_HEADROOM = 0.1
_LAST_WORDS = GRACE + 1.0
_LONGEST_END = 1.0


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
    """Generate all `shares`, each in a process of its own, until the last has ended.

    `watch` gets the totals several times a second, `connected` is called when all processes can start. A process that
    dies takes the others down, and the last totals name it as the error.
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
        end_by = time.monotonic() + _LONGEST_END
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
        """Take what the child has said; a broken pipe before its last word means that it died."""
        try:
            while self.pipe.poll():
                said = self.pipe.recv()
                if said is None:
                    self.waits_for_start = True
                else:
                    self.progress = said
        except (EOFError, OSError):
            if not self.progress.finished:
                self.process.join(1.0)
                error = f"{self.process.name} ended unexpectedly ({_exit(self.process.exitcode)})"
                self.progress = replace(self.progress, finished=True, error=error)

    def tell(self, word: object) -> None:
        """Send `word` to the child, unless it is gone."""
        if not self.progress.finished:
            try:
                self.pipe.send(word)
            except OSError:
                self.receive()

    def end(self, seconds: float) -> None:
        """See the process off: it may take so long."""
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
        wait([worker.pipe for worker in workers if not worker.progress.finished], timeout=_HEADROOM)
        for worker in workers:
            if not worker.progress.finished:
                worker.receive()
        if not started and all(worker.waits_for_start for worker in workers):
            started = True
            connected()
            start = time.monotonic() + _HEADROOM
            for worker in workers:
                worker.tell(start)
        totals = total([worker.progress for worker in workers])
        watch(totals)
        if stop_by is None and (stop.is_set() or totals.error):
            stop_by = time.monotonic() + _LAST_WORDS
            for worker in workers:
                worker.tell(_STOP)
        if stop_by is not None and time.monotonic() > stop_by:
            return
    watch(total([worker.progress for worker in workers]))


class _PipeControl:
    """A generating process's way to its parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._stopped = False

    def report(self, progress: Progress) -> None:
        self._send(progress)

    def wait_for_start(self) -> float | None:
        self._send(None)
        while not self._stopped:
            word = self._receive()
            if isinstance(word, float):
                return word
        return None

    def wait(self, seconds: float) -> bool:
        if not self._stopped and self._pipe.poll(seconds):
            self._receive()
        return self._stopped

    def _receive(self) -> object:
        try:
            word: object = self._pipe.recv()
        except (EOFError, OSError):
            word = _STOP
        self._stopped = self._stopped or word == _STOP
        return word

    def _send(self, said: Progress | None) -> None:
        try:
            self._pipe.send(said)
        except OSError:
            self._stopped = True


def _child(settings: ProducerSettings, share: Share, pipe: Connection) -> None:
    apply_to_kafka_python()
    # Ctrl+C reaches every process of a terminal's group; here only the parent's word counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    try:
        generate(settings, share, _PipeControl(pipe))
    except Exception:
        _log.exception("A generating process ended by an error that nobody expected")
        sys.exit(1)


def _exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return f"exit status {code}"
