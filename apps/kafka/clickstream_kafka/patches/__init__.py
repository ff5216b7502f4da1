"""Behaviour of the client libraries that is replaced in the running process, one module for each.

A module's docstring says what the library does, what the patch does instead, which version it was written for, the
upstream issue or pull request, and when to delete the patch; its `apply` patches all clients of the process. A test
(`tests/test_patched_libraries.py`) fails when the library's own code that a patch replaces or relies on has changed.
Each entry point calls `apply_to_aiokafka` or `apply_to_kafka_python`, whichever client it uses, before it creates one.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from typing import Any

from clickstream_kafka.unreadable import CountUnreadable, Unreadable, uncounted

_AIOKAFKA = [
    "close",
    "closed_transports",
    "describe_groups",
    "fetch_errors",
    "lz4_level",
    "password",
    "rebootstrap",
    "unreadable",
]
_KAFKA_PYTHON = ["busy_loops", "joins", "password", "rebootstrap", "refusals", "unreadable"]

_applied: set[str] = set()


def apply_to_aiokafka(count_unreadable: CountUnreadable = uncounted, *, give_up_silent_brokers: bool = False) -> None:
    """Patch aiokafka for all clients of this process; calling it again only replaces `count_unreadable`.

    `count_unreadable(topic, partition, records)` is called for each batch that consumers skip.
    `give_up_silent_brokers` is for apps that work on all partitions of a topic: it trades some new connections for
    shorter waits (`aiokafka_silent_brokers`).
    """
    _apply("aiokafka", [*_AIOKAFKA, "silent_brokers"] if give_up_silent_brokers else _AIOKAFKA, count_unreadable)


def apply_to_kafka_python(count_unreadable: CountUnreadable = uncounted) -> None:
    """As `apply_to_aiokafka`, for kafka-python."""
    _apply("kafka_python", _KAFKA_PYTHON, count_unreadable)


def replace_method(owner: type, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a method of a library's class; `replacement` gets the method itself before the method's arguments."""
    method = getattr(owner, name)

    @wraps(method)
    def replaced(*arguments: Any, **options: Any) -> Any:
        return replacement(method, *arguments, **options)

    setattr(owner, name, replaced)


def _apply(library: str, names: Iterable[str], count_unreadable: CountUnreadable) -> None:
    patches = {name: import_module(f"{__name__}.{library}_{name}") for name in names}  # an app has one of the libraries
    patches["unreadable"].ReadableRecords.unreadable = Unreadable(count_unreadable)
    for patch in patches.values():
        if patch.__name__ not in _applied:
            patch.apply()
            _applied.add(patch.__name__)
