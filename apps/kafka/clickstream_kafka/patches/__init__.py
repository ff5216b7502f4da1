"""Behaviour of the client libraries that is replaced in the running process, one module for each.

A module's docstring says what the library does, what the patch does instead, which version it was written for, the
upstream issue or pull request, and when to delete the patch. `tests/test_patched_libraries.py` fails when the library's
own code that a patch replaces or relies on has changed. Each entry point calls `apply_to_aiokafka` or
`apply_to_kafka_python`, whichever client it uses, before it creates the first client.
"""

from types import ModuleType

from clickstream_kafka.unreadable import CountUnreadable, Unreadable, uncounted

_applied: set[str] = set()


def apply_to_aiokafka(count_unreadable: CountUnreadable = uncounted, *, give_up_silent_brokers: bool = False) -> None:
    """Patch aiokafka for all clients of this process; calling it again only replaces `count_unreadable`.

    `count_unreadable(topic, partition, records)` is called for each batch that consumers skip.
    `give_up_silent_brokers` is for apps that work on all partitions of a topic: it trades some new connections for
    shorter waits (`aiokafka_silent_brokers`).
    """
    from clickstream_kafka.patches import (
        aiokafka_close,
        aiokafka_closed_transports,
        aiokafka_describe_groups,
        aiokafka_fetch_errors,
        aiokafka_lz4_level,
        aiokafka_password,
        aiokafka_rebootstrap,
        aiokafka_silent_brokers,
        aiokafka_unreadable,
    )

    aiokafka_unreadable.ReadableRecords.unreadable = Unreadable(count_unreadable)
    _apply_once(
        aiokafka_close,
        aiokafka_closed_transports,
        aiokafka_describe_groups,
        aiokafka_fetch_errors,
        aiokafka_lz4_level,
        aiokafka_password,
        aiokafka_rebootstrap,
        aiokafka_unreadable,
    )
    if give_up_silent_brokers:
        _apply_once(aiokafka_silent_brokers)


def apply_to_kafka_python(count_unreadable: CountUnreadable = uncounted) -> None:
    """As `apply_to_aiokafka`, for kafka-python."""
    from clickstream_kafka.patches import (
        kafka_python_busy_loops,
        kafka_python_joins,
        kafka_python_password,
        kafka_python_rebootstrap,
        kafka_python_refusals,
        kafka_python_unreadable,
    )

    kafka_python_unreadable.ReadableRecords.unreadable = Unreadable(count_unreadable)
    _apply_once(
        kafka_python_busy_loops,
        kafka_python_joins,
        kafka_python_password,
        kafka_python_rebootstrap,
        kafka_python_refusals,
        kafka_python_unreadable,
    )


def _apply_once(*patches: ModuleType) -> None:
    for patch in patches:
        if patch.__name__ not in _applied:
            patch.apply()
            _applied.add(patch.__name__)
