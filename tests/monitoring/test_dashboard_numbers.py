"""The numbers that the dashboard shows are right where several pods, exporters or namespaces report.

promtool evaluates the panels' queries, as Grafana would send them with "All" namespaces, over series that are made up.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kit.prometheus import run_tool

_WINDOW = "clickstream_consumer_window"


@pytest.fixture(scope="module")
def queries(panel_queries: dict[str, str]) -> dict[str, str]:
    return {
        name: expression.replace("$namespace", ".*").replace("$__rate_interval", "1m")
        for name, expression in panel_queries.items()
    }


def _assert_numbers(directory: Path, queries: dict[str, str], series: dict[str, str], expected: dict[str, Any]) -> None:
    """Evaluate panels after 10 minutes; `expected` is a number, or one for each set of labels."""
    tests = [
        {
            "expr": queries[panel],
            "eval_time": "10m",
            "exp_samples": [
                {"labels": labels, "value": value}
                for labels, value in (numbers if isinstance(numbers, dict) else {"{}": numbers}).items()
            ],
        }
        for panel, numbers in expected.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    document = {"tests": [{"interval": "30s", "input_series": inputs, "promql_expr_test": tests}]}
    (directory / "numbers.json").write_text(json.dumps(document), encoding="utf-8")
    done = run_tool("promtool", "test", "rules", directory / "numbers.json")
    assert done.returncode == 0, done.stdout


def _consumer(namespace: str, pod: str, *, end: int, size: int, **figures: int) -> dict[str, str]:
    """What a consumer's pod reports all the time about the window that it knows."""
    labels = f'namespace="{namespace}", pod="{pod}", instance="{pod}:8080"'
    found = {
        f"{_WINDOW}_end_timestamp_seconds{{{labels}}}": end,
        f"{_WINDOW}_size_seconds{{{labels}}}": size,
        f"{_WINDOW}_total_events{{{labels}}}": figures["events"],
        f"{_WINDOW}_unique_users{{{labels}}}": figures["users"],
        f"{_WINDOW}_avg_duration_seconds{{{labels}}}": figures["duration"],
        f'{_WINDOW}_events{{{labels}, event_type="page_view"}}': figures["views"],
        f'{_WINDOW}_events{{{labels}, event_type="purchase"}}': figures["purchases"],
    }
    return {name: f"{value}x30" for name, value in found.items()}


def _consumer_without_window(namespace: str, pod: str) -> dict[str, str]:
    some = _consumer(namespace, pod, end=0, size=0, events=0, users=0, duration=0, views=0, purchases=0)
    return dict.fromkeys(some, " ".join(["NaN"] * 30))


def test_two_consumers_of_one_pipeline_are_one_and_the_newer_window_counts(
    tmp_path: Path, queries: dict[str, str]
) -> None:
    series = _consumer("kafka", "a", end=600, size=30, events=3000, users=100, duration=2, views=800, purchases=80)
    series |= _consumer("kafka", "b", end=570, size=30, events=9000, users=900, duration=9, views=900, purchases=900)

    expected = {
        "Events per second (A)": 100,
        "Users (A)": 100,
        "Average duration (A)": 2,
        "Purchases per page view (A)": 0.1,
        "Funnel (A)": 800,
        "Event types (A)": {'{event_type="page_view"}': 800, '{event_type="purchase"}': 80},
        "Age of the last window (A)": 0,
    }
    _assert_numbers(tmp_path, queries, series, expected)


def test_two_pipelines_are_added_up_and_their_rates_are_those_of_both(tmp_path: Path, queries: dict[str, str]) -> None:
    series = _consumer("kafka", "a", end=600, size=30, events=3000, users=100, duration=2, views=800, purchases=80)
    series |= _consumer("other", "b", end=300, size=300, events=6000, users=50, duration=5, views=200, purchases=120)
    series |= _consumer_without_window("new", "c")

    expected = {
        "Events per second (A)": 120,
        "Users (A)": 150,
        "Average duration (A)": 4,
        "Purchases per page view (A)": 0.2,
        "Funnel (A)": 1000,
        "Funnel rates (B)": 0.2,
        "Event types (A)": {'{event_type="page_view"}': 1000, '{event_type="purchase"}': 200},
        "Age of the last window (A)": 300,
    }
    _assert_numbers(tmp_path, queries, series, expected)


def test_the_slowest_partition_of_any_pipeline_is_the_one_that_is_shown(
    tmp_path: Path, queries: dict[str, str]
) -> None:
    watermark = "clickstream_streams_watermark_timestamp_seconds"
    series = {
        f'{watermark}{{namespace="kafka", pod="a", partition="0"}}': "595x30",
        f'{watermark}{{namespace="kafka", pod="b", partition="0"}}': "500x30",
        f'{watermark}{{namespace="other", pod="c", partition="0"}}': "550x30",
    }

    _assert_numbers(tmp_path, queries, series, {"Watermark delay (A)": {'{partition="0"}': 50}})


def test_what_two_exporters_tell_of_the_same_is_counted_once(tmp_path: Path, queries: dict[str, str]) -> None:
    group = 'namespace="kafka", consumergroup="clickstream-processor", topic="clickstream-events"'
    container = 'namespace="kafka", pod="clickstream-consumer-1", container="consumer", uid="1"'
    series = {}
    for exporter in ("1:9404", "2:9404"):
        series[f'kafka_consumergroup_lag{{{group}, partition="0", instance="{exporter}"}}'] = "60x30"
        series[f'kafka_consumergroup_lag{{{group}, partition="1", instance="{exporter}"}}'] = "-1x30"
        series[f'kube_pod_container_status_restarts_total{{{container}, instance="{exporter}"}}'] = "0x10 2x20"

    expected = {
        "Lag of the group on clickstream-events (A)": {'{consumergroup="clickstream-processor"}': 60},
        "Lag by group (A)": {'{consumergroup="clickstream-processor", topic="clickstream-events"}': 60},
        "Restarts (A)": {'{pod="clickstream-consumer-1"}': 2},
    }
    _assert_numbers(tmp_path, queries, series, expected)


def test_a_topic_is_as_large_as_one_copy_of_its_partitions_and_a_partition_grows_as_its_leader(
    tmp_path: Path, queries: dict[str, str]
) -> None:
    topic = 'namespace="kafka", topic="clickstream-events"'
    series = {}
    for copy, size in enumerate((1000, 990)):
        series[f'kafka_log_log_size{{{topic}, partition="0", pod="broker-{copy}"}}'] = f"{size}x30"
        series[f'kafka_log_log_size{{{topic}, partition="1", pod="broker-{copy}"}}'] = "500x30"
        offset = f'kafka_topic_partition_current_offset{{{topic}, instance="{copy}:9404"'
        series[f'{offset}, partition="0"}}'] = "0+300x30"
        series[f'{offset}, partition="1"}}'] = "9+30x30"

    expected = {
        "Topic size (A)": {'{topic="clickstream-events"}': 1500},
        "Ingestion by partition (A)": {'{partition="0"}': 10, '{partition="1"}': 1},
    }
    _assert_numbers(tmp_path, queries, series, expected)


def test_the_latency_of_windows_of_5_minutes_is_there_between_them_too(tmp_path: Path, queries: dict[str, str]) -> None:
    bucket = 'clickstream_streams_window_latency_seconds_bucket{namespace="kafka", pod="a"'
    series = {
        f'{bucket}, le="6.0"}}': "0x30",
        f'{bucket}, le="8.0"}}': "0x6 1x9 2x15",
        f'{bucket}, le="+Inf"}}': "0x6 1x9 2x15",
    }

    _assert_numbers(tmp_path, queries, series, {"Window latency (A)": 7})
