"""The code of the client libraries that patches replace or rely on is still the one that they were written for.

The hashes are of the source of a function or class, as it stands in the installed package. A release that changes one
of them fails here even if every other test passes, because a patch of code that has not been read again is a guess.
"""

import ast
import hashlib
import importlib.util
import pkgutil
import re
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import aiokafka.record._crecords as aiokafka_records
import kafka.record as kafka_records
import pytest

from clickstream_kafka import patches
from clickstream_kafka.patches import aiokafka_unreadable
from clickstream_kafka.unreadable import Offsets

RELIED_ON = {
    "clickstream_collector.supervisor": {
        "aiokafka.producer.message_accumulator.MessageAccumulator._pop_batch": "7fbc36816e81",
        "aiokafka.producer.message_accumulator.MessageBatch": "b3e461b11226",
    },
    "clickstream_collector.delivery": {
        "aiokafka.producer.message_accumulator.BatchBuilder": "99aef2c7e968",
    },
    "clickstream_consumer.connection": {
        "kafka.consumer.group.KafkaConsumer.__init__": "d358bf879635",
        "kafka.net.compat.KafkaNetClient": "c8c384e95236",
    },
    "clickstream_kafka.batches": {
        "aiokafka.consumer.fetcher.FetchResult": "fa61b3894a7f",
        "aiokafka.consumer.fetcher.Fetcher._get_actions_per_node": "ac50ec79eb3f",
        "aiokafka.consumer.fetcher.Fetcher._proc_fetch_request": "be217e037d90",
    },
    "clickstream_kafka.engine": {
        "kstreams.engine.StreamEngine.add_stream": "e79edd209f20",
        "kstreams.engine.StreamEngine.start": "e49d25130b71",
        "kstreams.engine.StreamEngine.stop": "a1c80b1eb38f",
        "kstreams.engine.StreamEngine.stop_stream": "6fcf08f84f70",
    },
    "clickstream_kafka.lost_answers": {
        "aiokafka.client.AIOKafkaClient.send": "2c3b774f424b",
        "aiokafka.producer.transaction_manager.TransactionManager.fatal_error": "710053242172",
    },
    "clickstream_kafka.partition_stream": {
        "aiokafka.consumer.group_coordinator.GroupCoordinator.coordinator_dead": "c32140eb58c7",
        "kstreams.streams.Stream._create_consumer": "22b77a8e91ad",
        "kstreams.streams.Stream.subscribe": "efa5f180dfd1",
    },
    "clickstream_kafka.patches.aiokafka_close": {
        "aiokafka.conn.AIOKafkaConnection.close": "553acfb3f3f1",
        "aiokafka.conn.AIOKafkaConnection.connect": "6ad90bc88929",
    },
    "clickstream_kafka.patches.aiokafka_closed_transports": {
        "aiokafka.conn.AIOKafkaConnection._send_sasl_token": "0935a1924cd2",
        "aiokafka.conn.AIOKafkaConnection.send": "3587057dfb1e",
    },
    "clickstream_kafka.patches.aiokafka_describe_groups": {
        "aiokafka.protocol.admin.DescribeGroupsRequest_v3": "b4841061da4b",
        "aiokafka.protocol.admin.DescribeGroupsResponse_v3": "33714c3ea0b7",
    },
    "clickstream_kafka.patches.aiokafka_fetch_errors": {
        "aiokafka.consumer.fetcher.Fetcher._proc_fetch_request": "be217e037d90",
        "aiokafka.consumer.subscription_state.Assignment.state_value": "dd49b810b1ac",
        "aiokafka.consumer.subscription_state.TopicPartitionState": "f1d329299663",
    },
    "clickstream_kafka.patches.aiokafka_lz4_level": {
        "aiokafka.codec.lz4_encode": "92e3b154d9d7",
        "aiokafka.record.default_records._DefaultRecordBatchBuilderPy._maybe_compress": "5569bc9dfd21",
    },
    "clickstream_kafka.patches.aiokafka_password": {
        "aiokafka.conn.AIOKafkaConnection.authenticator_plain": "77e492d2bfd0",
        "aiokafka.conn.SaslPlainAuthenticator": "c8428cc5b87d",
    },
    "clickstream_kafka.patches.aiokafka_rebootstrap": {
        "aiokafka.client.AIOKafkaClient": "1a1251e6ee94",
        "aiokafka.cluster.ClusterMetadata.update_metadata": "0c9f40ca4bb1",
        "aiokafka.conn.AIOKafkaConnection._handle_frame": "dfa49ba2f503",
        "aiokafka.conn.create_conn": "d0b07cc0f6de",
    },
    "clickstream_kafka.patches.aiokafka_silent_brokers": {
        "aiokafka.conn.AIOKafkaConnection.connect": "6ad90bc88929",
        "aiokafka.conn.AIOKafkaConnection.send": "3587057dfb1e",
    },
    "clickstream_kafka.patches.aiokafka_unreadable": {
        "aiokafka.consumer.fetcher.PartitionRecords": "4dd6157d7e63",
        "aiokafka.record.memory_records._MemoryRecordsPy": "1bf7bf6fee82",
    },
    "clickstream_kafka.patches.bounded_unpacking": {
        "aiokafka.codec.gzip_decode": "79bdf685ea99",
        "aiokafka.codec.lz4_decode": "af2ad394772d",
        "aiokafka.codec.snappy_decode": "09ff4a3bc5ba",
        "aiokafka.codec.zstd_decode": "da4685ad3961",
        "kafka.codec.gzip_decode": "4a45cb4a97a9",
        "kafka.codec.snappy_decode": "c90aa0dd63e8",
        "kafka.codec.zstd_decode": "7313d91bd882",
        "kafka.record.default_records.DefaultRecordBatch._maybe_uncompress": "fc1e157db2e9",
        "kafka.record.legacy_records.LegacyRecordBatch._decompress": "02e3ae855cbd",
    },
    "clickstream_kafka.patches.kafka_python_busy_loops": {
        "kafka.cluster.ClusterMetadata.request_update": "86698b447895",
        "kafka.coordinator.consumer.ConsumerCoordinator.time_to_next_poll": "f9d2fe7d0787",
    },
    "clickstream_kafka.patches.kafka_python_joins": {
        "kafka.coordinator.base.BaseCoordinator.ensure_active_group": "9946f39e8db6",
        "kafka.coordinator.consumer.ConsumerCoordinator.need_rejoin": "1afac2f3dabb",
    },
    "clickstream_kafka.patches.kafka_python_password": {
        "kafka.net.sasl.plain.SaslMechanismPlain": "a2928e09c949",
        "kafka.net.sasl.register_sasl_mechanism": "d5f6cc7132c3",
    },
    "clickstream_kafka.patches.kafka_python_rebootstrap": {
        "kafka.cluster.ClusterMetadata": "f0d7f879c0bb",
        "kafka.net.connection.KafkaConnection._maybe_throttle": "4bf1bcf718a0",
        "kafka.net.manager.KafkaConnectionManager": "6ef77bb60914",
    },
    "clickstream_kafka.patches.kafka_python_refusals": {
        "kafka.net.transport.KafkaSSLTransport._sock_recv": "8d5f72655fe8",
        "kafka.net.transport.KafkaTCPTransport._sock_recv": "c905936f9c81",
    },
    "clickstream_kafka.patches.kafka_python_unreadable": {
        "kafka.consumer.fetcher.Fetcher.PartitionRecords": "30ec67ba52e0",
        "kafka.record.memory_records.MemoryRecords": "77d97f75b416",
    },
    "clickstream_kafka.stable_offsets": {
        "aiokafka.client.AIOKafkaClient.send": "2c3b774f424b",
        "aiokafka.protocol.api.Request": "57a2e549df19",
    },
    "clickstream_kafka.transactions": {
        "aiokafka.producer.message_accumulator.MessageBatch": "b3e461b11226",
        "aiokafka.producer.producer.AIOKafkaProducer.stop": "fb3c3aac663f",
        "aiokafka.producer.transaction_manager.TransactionManager": "d2653a6d6cb0",
    },
    "clickstream_producer.kafka_client": {
        "kafka.net.compat.KafkaNetClient": "c8c384e95236",
        "kafka.producer.kafka.KafkaProducer.__init__": "a8b95b58ccf4",
        "kafka.producer.kafka.KafkaProducer._unregister_cleanup": "a7b879806d1b",
        "kafka.producer.sender.Sender.force_close": "58d074f014fc",
        "kafka.producer.transaction_manager.TransactionManager.has_producer_id": "d1341648917f",
    },
}


def source_of(name: str) -> str:
    """The source of a library's function or class: `package.module.Class.method`. Raises LookupError."""
    module, path = _file_of(name)
    text = path.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.removeprefix(f"{module}.").split("."):
        named = (
            each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        )
        found = next((each for each in named if each.name == part), None)
        if found is None:
            raise LookupError(f"there is no {name} in {path}")
        node = found
    return ast.get_source_segment(text, node) or ""


def _file_of(name: str) -> tuple[str, Path]:
    module, spec = name, None
    while spec is None and "." in module:
        module = module.rpartition(".")[0]
        try:
            spec = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            continue
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module of {name}")
    return module, Path(spec.origin)


def digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def patch_modules() -> list[ModuleType]:
    return [import_module(f"{patches.__name__}.{each.name}") for each in pkgutil.iter_modules(patches.__path__)]


@pytest.mark.parametrize(
    ("user", "name", "expected"),
    [(user, name, known) for user, names in RELIED_ON.items() for name, known in names.items()],
)
def test_the_library_is_as_it_was_when_the_patch_was_written(user: str, name: str, expected: str) -> None:
    try:
        found = digest(source_of(name))
    except LookupError as error:
        found = str(error)
    assert found == expected, (
        f"{name}, which {user} replaces or relies on, is not what it was"
        f" (aiokafka {version('aiokafka')}, kafka-python {version('kafka-python')} are installed)."
        f" Read the new source; adapt {user}, or delete it if its docstring says so;"
        f" then write {found!r} into RELIED_ON in {Path(__file__).name}."
    )


def test_every_patch_names_what_it_relies_on() -> None:
    assert {module.__name__ for module in patch_modules()} <= RELIED_ON.keys()


@pytest.mark.parametrize("module", patch_modules(), ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_patch_says_its_version_its_issue_and_when_it_can_go(module: ModuleType) -> None:
    text = module.__doc__ or ""
    line = re.search(r"^Written for (.+)\.$", text, re.MULTILINE)
    assert line, f"{module.__name__} does not say which version it was written for"
    for library, minor in re.findall(r"(aiokafka|kafka-python) (\d+\.\d+)", line[1]):
        assert version(library).startswith(f"{minor}."), f"{module.__name__} was written for {library} {minor}"
    assert re.search(r"^Upstream: (.*#\d+|none found)", text, re.MULTILINE), module.__name__
    assert re.search(r"^Delete when ", text, re.MULTILINE), module.__name__


def test_every_codec_that_a_library_calls_is_there_to_be_replaced() -> None:
    codecs = {"gzip_decode", "snappy_decode", "lz4_decode", "zstd_decode"}
    for module in (aiokafka_records.default_records, kafka_records.default_records):
        assert codecs <= vars(module).keys(), module
    for module in (aiokafka_records.legacy_records, kafka_records.legacy_records):
        assert codecs - {"zstd_decode"} <= vars(module).keys(), module


def test_two_calls_apply_every_patch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    for module in patch_modules():
        monkeypatch.setattr(module, "apply", partial(applied.append, module.__name__), raising=False)
    monkeypatch.setattr(patches, "_applied", set())
    for _ in range(2):
        patches.apply_to_aiokafka(give_up_silent_brokers=True)
        patches.apply_to_kafka_python()
    library_independent = {f"{patches.__name__}.bounded_unpacking"}
    assert sorted(applied) == sorted({module.__name__ for module in patch_modules()} - library_independent)


def test_the_second_call_replaces_what_counts() -> None:
    counted: list[int] = []
    patches.apply_to_aiokafka()
    patches.apply_to_aiokafka(lambda topic, partition, records: counted.append(records))
    aiokafka_unreadable.ReadableRecords.unreadable.skipped("metrics", 1, Offsets(5, 10), "a reason")
    patches.apply_to_aiokafka()
    assert counted == [5]
