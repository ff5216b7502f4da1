"""Configurations whose programs are not here: each option is one that its program documents.

The options of Fluentd 1.18.0 and fluent-plugin-kafka 0.19.7 are their `config_param`s, those of Fluent Bit 5.1 the
tables of its manual, those of Logstash's plugins their `config`s (Logstash 8.9.0's kafka 11.2.1 and s3 of aws 7.1.4;
opensearch 2.0.1), those of logstash.yml its `environment.rb`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from logstash_pipeline_parser import Pipeline

from clickstream_scenarios.requests import Request, read_access_log

SHIPPERS = Path(__file__).parents[2] / "shippers"
RECORD = ("ip", "timestamp", "method", "url", "status_code", "user_agent")

FLUENTD = {
    "source": {
        *("path", "pos_file", "tag", "read_from_head", "follow_inodes", "rotate_wait", "refresh_interval"),
        *("emit_unmatched_lines", "@type", "@label"),
    },
    "parse": {"@type", "keep_time_key", "time_key", "time_type", "time_format"},
    "label": set[str](),
    "match": {
        *("@type", "brokers", "client_id", "topic", "message_key_key", "required_acks", "ack_timeout"),
        *("max_send_retries", "idempotent", "compression_codec", "use_event_time", "ssl_ca_cert"),
        *("ssl_verify_hostname", "sasl_over_ssl", "scram_mechanism", "username", "password"),
    },
    "format": {"@type"},
    "buffer": {
        *("@type", "path", "total_limit_size", "overflow_action", "chunk_limit_size", "flush_mode", "flush_interval"),
        *("flush_at_shutdown", "retry_forever", "retry_max_interval"),
    },
}
FLUENT_BIT = {
    "service": {
        *("flush", "grace", "log_level", "parsers_file", "storage.path", "storage.sync", "storage.checksum"),
        *("storage.max_chunks_up", "storage.backlog.mem_limit", "scheduler.cap", "http_server", "http_port"),
    },
    "tail": {
        *("path", "parser", "db", "db.sync", "db.locking", "read_from_head", "refresh_interval", "rotate_wait"),
        *("buffer_chunk_size", "buffer_max_size", "storage.type", "storage.pause_on_chunks_overlimit", "tag"),
    },
    "in_kafka": {
        *("tag", "brokers", "topics", "group_id", "client_id", "format", "poll_ms", "storage.type"),
        "storage.pause_on_chunks_overlimit",
    },
    "nest": {"match", "operation", "nested_under"},
    "rewrite_tag": {"match", "rule", "emitter_name", "emitter_storage.type", "emitter_mem_buf_limit"},
    "out_kafka": {
        *("match", "brokers", "topics", "client_id", "format", "message_key_field", "timestamp_key"),
        *("timestamp_format", "retry_limit", "queue_full_retries"),
    },
    "s3": {
        *("match", "bucket", "region", "endpoint", "use_put_object", "total_file_size", "upload_timeout"),
        "s3_key_format",
        *("static_file_path", "compression", "json_date_key", "store_dir", "preserve_data_ordering", "retry_limit"),
    },
    "opensearch": {
        *("match", "host", "port", "http_user", "http_passwd", "tls", "index", "suppress_type_name", "generate_id"),
        *("write_operation", "compress", "trace_error", "retry_limit"),
    },
    "parser": {"name", "format", "time_key", "time_format", "time_keep"},
}
LIBRDKAFKA = {
    *("queue.buffering.max.messages", "message.timeout.ms", "acks", "enable.idempotence", "compression.codec"),
    *("partitioner", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location"),
    *("auto.offset.reset", "isolation.level", "client.id", "linger.ms", "socket.timeout.ms", "socket.keepalive.enable"),
}
LOGSTASH = {
    "kafka": {
        *("bootstrap_servers", "topics", "group_id", "client_id", "auto_offset_reset", "isolation_level"),
        *("decorate_events", "codec", "security_protocol", "sasl_mechanism", "sasl_jaas_config"),
    },
    "mutate": {"add_field", "remove_field"},
    "clone": {"clones", "ecs_compatibility"},
    "json": {"source"},
    "drop": set[str](),
    "date": {"match", "timezone"},
    "opensearch": {"hosts", "user", "password", "index", "document_id", "action", "manage_template"},
    "plain": {"charset"},
    "line": {"format"},
    "s3": {
        *("bucket", "region", "prefix", "codec", "encoding", "rotation_strategy", "size_file", "time_file"),
        *("restore", "temporary_directory"),
    },
}
LOGSTASH_SETTINGS = {
    *("queue.type", "queue.checkpoint.writes", "queue.max_bytes", "queue.drain", "dead_letter_queue.enable"),
    *("dead_letter_queue.max_bytes", "api.http.host"),
}


def read(path: str) -> str:
    return (SHIPPERS / path).read_text(encoding="utf-8")


def lines(path: str) -> Iterator[str]:
    for line in read(path).splitlines():
        if line.strip() and not line.strip().startswith("#"):
            yield line.strip()


# -- Fluentd


def fluentd(path: str) -> Iterator[tuple[str, str, str]]:
    """The section, name and value of each directive, included files as part of the section."""
    sections: list[str] = []
    for line in lines(path):
        if line.startswith("</"):
            assert sections.pop() == line.strip("</>")
        elif line.startswith("<"):
            sections.append(line.strip("<>").split()[0])
        else:
            name, _, value = line.partition(" ")
            if name == "@include":
                for included in ("kafka.conf", "kafka-tls-scram.conf"):
                    yield from ((sections[-1], each, text) for _, each, text in fluentd(f"fluentd/{included}"))
            else:
                yield sections[-1] if sections else "", name, value
    assert sections == []


def test_each_option_of_fluentd_is_documented_in_its_section() -> None:
    for section, name, _ in fluentd("fluentd/fluentd.conf"):
        assert name in FLUENTD[section], f"{name} in <{section}>"


def test_fluentd_keeps_what_kafka_has_not_acknowledged_on_the_disk() -> None:
    found = {(section, name): value for section, name, value in fluentd("fluentd/fluentd.conf")}
    assert found["match", "required_acks"] == "-1"
    assert (found["buffer", "@type"], found["buffer", "retry_forever"]) == ("file", "true")
    assert found["buffer", "overflow_action"] == "block"
    assert found["match", "scram_mechanism"] == "sha512"


def test_fluentds_nginx_parser_makes_the_expected_records() -> None:
    # The expression of Fluentd's parser_nginx.rb, in Python's notation.
    nginx = re.compile(
        r'(?P<remote>[^ ]*) (?P<host>[^ ]*) (?P<user>[^ ]*) \[(?P<time>[^\]]*)\] "(?P<method>\S+)'
        r'(?: +(?P<path>[^"]*?)(?: +\S*)?)?" (?P<code>[^ ]*) (?P<size>[^ ]*)'
        r'(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"(?:\s+(?P<http_x_forwarded_for>[^ ]+))?)?'
    )
    for line, expected in zip(
        read("fluentd/recorded/access.log").splitlines(), expected_records("fluentd", "access"), strict=True
    ):
        match = nginx.fullmatch(line)
        found = {"unmatched_line": line} if match is None else match.groupdict()
        assert {name: value for name, value in found.items() if value is not None} == expected


# -- Fluent Bit


def fluent_bit(path: str) -> list[tuple[str, dict[str, str]]]:
    """Each section with its options; names are case-insensitive."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in lines(path):
        if line.startswith("["):
            found.append((line.strip("[]").lower(), {}))
        else:
            name, _, value = line.partition(" ")
            found[-1][1][name.lower()] = value.strip()
    return found


@pytest.mark.parametrize("path", ["access-logs.conf", "fluent-bit.conf", "parsers.conf"])
def test_each_option_of_fluent_bit_is_documented_for_its_plugin(path: str) -> None:
    for section, options in fluent_bit(f"fluent-bit/{path}"):
        plugin = options.pop("name") if section in ("input", "filter", "output") else section
        plugin = {("input", "kafka"): "in_kafka", ("output", "kafka"): "out_kafka"}.get((section, plugin), plugin)
        for name in options:
            if name.startswith("rdkafka."):
                assert name.removeprefix("rdkafka.") in LIBRDKAFKA
            else:
                assert name in FLUENT_BIT[plugin], f"{name} of {plugin}"


def test_fluent_bit_lifts_the_payload_and_copies_it_under_another_tag() -> None:
    sections = fluent_bit("fluent-bit/fluent-bit.conf")
    plugins = {options["name"]: options for section, options in sections if section != "service"}
    assert plugins["kafka"]["format"] == "json"
    assert plugins["nest"]["nested_under"] == "payload"
    assert plugins["rewrite_tag"]["rule"] == "$topic ^web_logs$ processed.logs true"
    assert (plugins["s3"]["match"], plugins["opensearch"]["match"]) == ("raw.logs", "processed.logs")
    assert re.search("year=%Y/month=%m/day=%d/hour=%H/", plugins["s3"]["s3_key_format"])
    assert all(each["storage.type"] == "filesystem" for _, each in sections if "storage.type" in each)


# -- Logstash


def plugins(block: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each plugin with its options, below conditions too, in the parser's lists; codecs as plugins of their own."""
    for each in block:
        match each:
            case ["input" | "filter" | "output" | "else", body]:
                yield from plugins(body)
            case ["if", [_, body]]:  # with its condition
                yield from plugins(body)
            case [str() as name, list() as options]:
                yield name, options
                for option, values in options:
                    if option == "codec":
                        yield from plugins(values)
            case list():
                yield from plugins(each)


def test_each_option_of_logstash_is_documented_for_its_plugin() -> None:
    found = list(plugins(Pipeline(read("logstash/pipeline/logstash.conf")).parse()))
    assert {name for name, _ in found} == set(LOGSTASH)
    for name, options in found:
        for option, *_ in options:
            assert option in LOGSTASH[name], f"{option} of {name}"


def test_logstash_has_events_on_the_disk_and_keeps_what_opensearch_refuses() -> None:
    settings = yaml.safe_load(read("logstash/config/logstash.yml"))
    assert settings.keys() <= LOGSTASH_SETTINGS
    assert (settings["queue.type"], settings["queue.checkpoint.writes"]) == ("persisted", 1)
    assert settings["dead_letter_queue.enable"] is True


def test_no_file_of_the_shippers_has_a_secret() -> None:
    secret = re.compile(
        r"(?i)^[ ]*[\w.]*(password|passwd|secret_access_key|_pass)\w*[ ]*(=>|=|[ ])[ ]*(.+)$", re.MULTILINE
    )
    for path in SHIPPERS.rglob("*"):
        if path.suffix in (".conf", ".env", ".example", ".yaml"):
            for _, _, value in secret.findall(path.read_text(encoding="utf-8")):
                assert re.search(r"\$|ENV|^none$", value), f"{path}: {value}"


# -- what all of them share


def expected_records(shipper: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(f"{shipper}/recorded/{name}.expected.jsonl").splitlines()]


@pytest.mark.parametrize("shipper", ["fluentd", "fluent-bit"])
def test_a_record_of_the_tracking_log_keeps_all_its_fields(shipper: str) -> None:
    sent = [json.loads(line) for line in read(f"{shipper}/recorded/tracking.log").splitlines()]
    for record, expected in zip(sent, expected_records(shipper, "tracking"), strict=True):
        assert record.items() <= expected.items()
        assert expected.keys() - record.keys() <= {"@timestamp"}
    logged = re.findall(r'"(\w+)":["$]', read("nginx/tracking.conf"))
    assert all(list(each) == logged for each in sent), "the recorded log is NGINX's"


def test_fluent_bit_writes_a_time_into_each_record_that_of_reading_where_no_parser_found_one() -> None:
    *parsed, unparsed = expected_records("fluent-bit", "access")
    assert all(isinstance(each["@timestamp"], float) for each in [*parsed, *expected_records("fluent-bit", "tracking")])
    line = read("fluent-bit/recorded/access.log").splitlines()[-1]
    assert unparsed == {"@timestamp": "time of reading", "log": line}


@pytest.mark.parametrize("shipper", ["fluentd", "fluent-bit"])
@pytest.mark.parametrize("log", ["access", "tracking"])
def test_the_scenarios_read_what_a_shipper_makes_of_a_request(shipper: str, log: str) -> None:
    first = read_access_log(json.dumps(expected_records(shipper, log)[0]).encode(), arrived=0)
    assert isinstance(first, Request)
    assert (first.scenario_id, first.time) == (5, 1_795_741_200_000)
    assert first.parameters == {"e_c": "buttonClick", "e_n": "고", "memberId": "123456"}


def test_the_index_template_has_a_type_for_each_field_of_a_web_log() -> None:
    template = json.loads(read("opensearch/web-logs-template.json"))
    properties = template["template"]["mappings"]["properties"]
    types = {name: properties[name]["type"] for name in RECORD}
    assert types == {
        "ip": "ip",
        "timestamp": "date",
        "method": "keyword",
        "url": "keyword",
        "status_code": "short",
        "user_agent": "keyword",
    }
    schema = json.loads((SHIPPERS.parent / "docs/schemas/web-log.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(RECORD)


def options_of(body: Any) -> set[str]:
    """The options in a request to OpenSearch, and the types of fields; the names of fields and aggregations are not."""
    found: set[str] = set()
    for name, value in body.items():
        found.add(name)
        if name == "type":
            found.add(value)
        elif name in ("properties", "fields", "aggs", "range"):
            found = found.union(*map(options_of, value.values()))
        elif isinstance(value, dict):
            found |= options_of(value)
    return found


def test_the_options_of_a_request_to_opensearch_are_found() -> None:
    template = options_of(json.loads(read("opensearch/web-logs-template.json")))
    assert {"index_patterns", "index.mapping.total_fields.limit", "dynamic", "ignore_above", "ip", "text"} <= template
    assert template.isdisjoint(RECORD[1:])


def test_each_option_is_in_its_readme() -> None:
    used = {
        "fluentd": {name for _, name, _ in fluentd("fluentd/fluentd.conf")},
        "fluent-bit": {
            name.removeprefix("rdkafka.")
            for path in ("access-logs.conf", "fluent-bit.conf", "parsers.conf")
            for _, options in fluent_bit(f"fluent-bit/{path}")
            for name in options.keys() - {"name"}
        },
        "logstash": {
            option
            for _, options in plugins(Pipeline(read("logstash/pipeline/logstash.conf")).parse())
            for option, *_ in options
        }
        | yaml.safe_load(read("logstash/config/logstash.yml")).keys(),
        "opensearch": options_of(json.loads(read("opensearch/web-logs-template.json")))
        | options_of(json.loads(read("opensearch/errors-by-hour.sh").split("--data '")[1].split("'")[0])),
        "rsyslog": {
            name
            for path in ("access-logs.conf", "web-logs.conf")
            for line in lines(f"rsyslog/{path}")
            for name in re.findall(r"""([\w.]+)=["`\[]""", line)
        },
        "nginx": set(re.findall(r"^ *([a-z_]+) ", "\n".join(lines("nginx/tracking.conf")), re.MULTILINE)) - {"default"},
    }
    for shipper, names in used.items():
        listed = set(re.findall(r"[\w.@]+", read(f"{shipper}/README.md")))
        assert names - listed - {"type", "name", "load", "string"} == set(), shipper


def test_each_shipper_says_its_version_and_what_it_guarantees() -> None:
    for readme in SHIPPERS.glob("*/README.md"):
        text = readme.read_text(encoding="utf-8")
        assert "**What it guarantees.**" in text, readme
        assert re.search(r"\d+\.\d+", text), readme
