"""The collector in a Lambda execution environment: AWS's runtime client, a played Runtime API, and a real broker."""

import base64
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream_collector.invocations import TRUSTED_FOR_S, Invocations
from clickstream_collector.settings import APP, CollectorSettings
from clickstream_core.settings import read_settings
from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.lambda_runtime import Answer, RuntimeApi, runtime_api, start_function
from kit.poll import eventually
from kit.processes import App, Apps
from kit.sockets import connections_of
from kit.topics import PipelineTopics, create_topics

_GATEWAY_EVENTS = Path(__file__).parents[2] / "apps/collector/tests/gateway_events"
_HANDLER = "clickstream_collector.aws_lambda.handler"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with runtime_api() as api:
        yield api


def start(apps: Apps, api: RuntimeApi, topics: PipelineTopics, **settings: str) -> App:
    """Begin a cold start."""
    secret = "the same for all environments"
    return start_function(apps, api, _HANDLER, topics.environ, VISITOR_SECRET=secret, **settings)


def gateway_event(name: str) -> dict[str, Any]:
    """An event of a file."""
    event: dict[str, Any] = json.loads((_GATEWAY_EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def new_click() -> tuple[str, dict[str, Any]]:
    """A click with an id of its own: the id, and the gateway's event."""
    event_id = str(uuid.uuid4())
    body = json.dumps({"event_id": event_id, "path": "/", "tag": "A", "user_id": f"u-{event_id}"})
    return event_id, gateway_event("post-json") | {"body": body}


def stored(topics: PipelineTopics) -> list[str]:
    """The ids of the events in the topic."""
    return [json.loads(each.value or b"")["event_id"] for each in topics.read(topics.events, "read_committed")]


def to_broker(app: App, broker: Broker) -> set[int]:
    """The local ports of the function's connections to the broker, the broken ones too."""
    return {each.local_port for each in connections_of(app.child.pid) if each.remote_port == broker.port}


def alive(app: App, broker: Broker) -> set[int]:
    """Those of them that the broker has not closed."""
    theirs = connections_of(broker.child.pid)
    return {each.remote_port for each in theirs if each.state == "established"} & to_broker(app, broker)


def freeze(app: App, api: RuntimeApi) -> None:
    """Do as Lambda does when an environment has answered and there is nothing else for it."""
    api.wait_until_idle()
    app.pause()


def test_all_invocations_share_one_connection_and_each_200_is_a_record(
    api: RuntimeApi, apps: Apps, broker: Broker, topics: PipelineTopics
) -> None:
    app = start(apps, api, topics)
    clicks = [new_click() for _ in range(30)]

    api.wait_until_idle()
    before = to_broker(app, broker)
    answers = [api.invoke(event) for _, event in clicks]

    assert [answer.status for answer in answers] == [200] * 30
    assert sorted(stored(topics)) == sorted(event_id for event_id, _ in clicks)
    assert before  # made during the cold start
    assert alive(app, broker) == to_broker(app, broker) == before
    assert app.output().count("Connected to Kafka") == 1


def test_what_the_gateway_sends_passes_the_runtime(api: RuntimeApi, apps: Apps, topics: PipelineTopics) -> None:
    start(apps, api, topics)

    batch = api.invoke(gateway_event("post-text-gzip"))
    raw = api.invoke(gateway_event("post-not-json"))
    pixel = api.invoke(gateway_event("get-pixel"))
    preflight = api.invoke(gateway_event("options-preflight"))

    assert (batch.status, batch.body["accepted"]) == (200, 2)
    assert (raw.status, raw.body["received"]) == (200, {"raw": '{"path": "/커피",'})
    assert (pixel.status, base64.b64decode(pixel.body)[:3]) == (200, b"GIF")
    assert preflight.status == 204
    assert len(stored(topics)) == 3
    assert [each.value for each in topics.read(topics.dead_letters, "read_committed")] == ['{"path": "/커피",'.encode()]


def test_a_broker_that_restarts_while_the_function_is_frozen_is_found_again(
    api: RuntimeApi, apps: Apps, own_broker: Broker
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    app = start(apps, api, topics)
    (first, event), (second, later) = new_click(), new_click()
    assert api.invoke(event).status == 200

    freeze(app, api)
    own_broker.restart()
    request = api.offer(later)
    begun = time.monotonic()
    app.resume()
    answer = api.take_answer(request, begun)

    assert answer.status == 200
    assert answer.seconds < 2
    assert sorted(stored(topics)) == sorted([first, second])


def test_connections_that_the_broker_closed_for_idleness_are_made_again(
    api: RuntimeApi, apps: Apps, tmp_path: Path, java: Path, jars: tuple[Path, ...]
) -> None:
    idle = {"connections.max.idle.ms": "1500"}
    with Broker(tmp_path / "kafka", java=java, jars=jars, properties=idle) as own_broker:
        topics = create_topics(own_broker.bootstrap_servers)
        app = start(apps, api, topics)
        clicks = [new_click() for _ in range(4)]
        for _, event in clicks:
            freeze(app, api)
            assert to_broker(app, own_broker)
            eventually(lambda: not alive(app, own_broker), 10)  # the broker has closed them; the function can't know
            request, begun = api.offer(event), time.monotonic()
            app.resume()
            assert api.take_answer(request, begun).status == 200

        assert sorted(stored(topics)) == sorted(event_id for event_id, _ in clicks)


def test_the_connection_that_replaces_an_old_one_delivers(topics: PipelineTopics) -> None:
    now = time.time()
    environ = {**topics.environ, "VISITOR_SECRET": "the same for all environments"}
    settings = read_settings(CollectorSettings, prog=APP, description="", argv=[], environ=environ)
    function = Invocations(settings, wall_clock=lambda: now)
    function.connect()
    clicks = [new_click() for _ in range(4)]

    statuses = []
    for _, event in clicks:
        statuses.append(function(event, None)["statusCode"])
        now += TRUSTED_FOR_S + 1
    function.close()

    assert statuses == [200] * 4
    assert sorted(stored(topics)) == sorted(event_id for event_id, _ in clicks)


def test_without_kafka_each_request_is_refused_within_two_seconds_until_it_is_there(
    api: RuntimeApi, apps: Apps, own_broker: Broker
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    own_broker.stop()
    app = start(apps, api, topics)

    refused = [api.invoke(new_click()[1]) for _ in range(3)]
    own_broker.start()
    came = invoke_until_ok(api, topics, 5)

    for answer in refused:
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.seconds < 2
    assert came <= 3
    assert "Kafka was not reached within 2 s" in app.output()


@pytest.mark.parametrize("frozen", [False, True], ids=["awake", "frozen"])
def test_events_that_wait_for_kafka_neither_block_nor_count_frozen_time(
    api: RuntimeApi, apps: Apps, own_broker: Broker, frozen: bool
) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    app = start(apps, api, topics)
    assert api.invoke(new_click()[1]).status == 200

    own_broker.pause()
    refused = [api.invoke(new_click()[1]) for _ in range(3)]
    if frozen:
        freeze(app, api)
    own_broker.kill()
    own_broker.start()
    if frozen:
        app.resume()
    came = invoke_until_ok(api, topics, 6)

    assert [answer.status for answer in refused] == [503] * 3
    assert max(answer.seconds for answer in refused) < 2
    assert came <= 3


def invoke_until_ok(api: RuntimeApi, topics: PipelineTopics, most: int) -> int:
    """Send clicks until one gets 200, at most so many; return how many it took. Each 200 has to be a record."""
    answers: list[Answer] = []
    for _ in range(most):
        event_id, event = new_click()
        answers.append(api.invoke(event))
        if answers[-1].status == 200:
            assert stored(topics).count(event_id) == 1
            return len(answers)
    raise AssertionError(f"no 200 in {answers}")


def test_sigterm_ends_an_idle_environment_and_logs_are_json_lines(
    api: RuntimeApi, apps: Apps, topics: PipelineTopics
) -> None:
    app = start(apps, api, topics)
    assert api.invoke(new_click()[1]).status == 200
    api.wait_until_idle()

    app.stop()

    lines = [json.loads(line) for line in app.output().splitlines()]
    assert [line["message"] for line in lines] == ["✓ Connected to Kafka", "Stopped"]
    assert {line["app"] for line in lines} == {"clickstream-collector"}


def test_a_setting_that_is_not_allowed_is_an_error_of_the_start(
    api: RuntimeApi, apps: Apps, topics: PipelineTopics
) -> None:
    app = start(apps, api, topics, LIMIT="many")

    error = api.init_errors.get(timeout=30)

    assert error["errorType"] == "SettingsError"
    assert "LIMIT=many: expected off, or events per second" in error["errorMessage"]
    app.expect_exit(1, 10)


def test_ports_are_not_used(api: RuntimeApi, apps: Apps, topics: PipelineTopics) -> None:
    port = str(free_port())
    app = start(apps, api, topics, HTTP_PORT=port, ADMIN_PORT=port)

    assert api.invoke(new_click()[1]).status == 200
    assert [each for each in connections_of(app.child.pid) if each.state == "listening"] == []
