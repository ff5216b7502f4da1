"""An app's main coroutine: signals, a shutdown that ends in time, and waits that a shutdown cuts short."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from clickstream_core.logs import discard_stdout

SHUTDOWN_GRACE_S = 8.5  # an app promises to end within 10 s

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


async def serve(work: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    """Run `work`, and set the event that it gets on SIGTERM or SIGINT; return the exit status that it returns.

    Work that has not ended SHUTDOWN_GRACE_S after the signal, or fails to end, is abandoned: the process exits with
    status 0 at once, because libraries that wait for an absent Kafka could hold it for minutes.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    working = asyncio.create_task(work(stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    done, _ = await asyncio.wait((working,), timeout=SHUTDOWN_GRACE_S)
    if stopping.is_set() and (not done or working.cancelled() or working.exception() is not None):
        _log.warning(
            "%s; exiting without a final commit, uncommitted events will be replayed",
            "The shutdown failed" if done else f"Kafka did not answer within {SHUTDOWN_GRACE_S} s",
        )
        _exit_now(0)
    return working.result()


def _exit_now(status: int) -> NoReturn:
    discard_stdout()
    logging.shutdown()
    os._exit(status)


async def unless(stopping: asyncio.Event, work: Awaitable[_Result]) -> _Result | None:
    """Return what `work` returns; once `stopping` is set, cancel it and return None."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for future in (working, stopped):
            if not future.done():
                future.cancel()
                with suppress(asyncio.CancelledError):
                    await future


def retrieve_exception(ended: "asyncio.Future[Any]") -> None:
    """Mark the future's exception as retrieved: asyncio prints a traceback of those that nothing has retrieved."""
    if not ended.cancelled():
        ended.exception()
