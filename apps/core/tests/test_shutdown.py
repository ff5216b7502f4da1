"""The request to stop."""

import os
import signal
import subprocess
import sys
import threading
import time

from clickstream_core.shutdown import Shutdown, StopRequest


def test_a_signal_becomes_a_request() -> None:
    with Shutdown() as shutdown:
        assert not shutdown.requested.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert shutdown.requested.wait(10)
        assert shutdown.requested.is_set()


def test_a_second_signal_changes_nothing() -> None:
    with Shutdown() as shutdown:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert shutdown.requested.wait(10)


def test_the_earlier_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Shutdown():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_wait_ends_when_the_request_comes_while_it_waits() -> None:
    with Shutdown() as shutdown:
        killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        killer.start()
        begin = time.monotonic()
        assert shutdown.requested.wait(30)
        assert time.monotonic() - begin < 25
        killer.join()


def test_one_request_wakes_every_waiter() -> None:
    stop = StopRequest()
    woken: list[bool] = []
    waiters = [threading.Thread(target=lambda: woken.append(stop.wait(30))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    stop.set()
    for waiter in waiters:
        waiter.join(10)
    stop.close()
    assert woken == [True, True, True]


def test_a_wait_without_request_ends_at_its_timeout() -> None:
    stop = StopRequest()
    assert not stop.wait(0.01)
    assert not stop.wait(-1)
    stop.close()


def test_a_loop_that_never_looks_at_the_request_is_ended_by_force() -> None:
    program = "\n".join(
        [
            "from clickstream_core.shutdown import Shutdown",
            "with Shutdown(0.3):",
            " print('there', flush=True)",
            " while True: pass",
        ]
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"there\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 1
        assert b"ending by force" in process.stderr.read()
