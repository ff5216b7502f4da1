"""What a user is told after an installation, and `helm test`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from clickstream_local.ports import free_port
from kit.helm import Charts
from kit.kube_api import kube_api
from kit.processes import Apps
from kit.rendered import APPS, RELEASES, SOURCE, chart, is_test, live_processor, of_kind, rendered
from kit.topics import PipelineTopics


@pytest.mark.parametrize(
    ("app", "options", "commands"),
    [
        ("producer", (), ["kubectl logs -f deployment/clickstream-producer -n kafka"]),
        ("producer", ("--set", "duration=5m"), ["kubectl logs -f -l app.kubernetes.io/instance=clickstream-producer"]),
        (
            "streams",
            (),
            [
                "kubectl logs -f deployment/clickstream-streams-processor -n kafka",
                "kubectl scale deployment clickstream-streams-processor -n kafka --replicas=3",
                "helm test clickstream-streams-processor -n kafka",
            ],
        ),
        ("streams", ("--set", "keda.enabled=true"), ["kubectl get scaledobject,hpa -n kafka"]),
        ("consumer", (), ["kubectl logs -f deployment/clickstream-consumer -n kafka"]),
        (
            "collector",
            (),
            [
                "kubectl port-forward service/clickstream-collector 8090:8080 -n kafka",
                '<script defer src="http://localhost:8090/clickstream.js"></script>',
                "helm test clickstream-collector -n kafka",
                "kubectl scale deployment clickstream-collector -n kafka --replicas=2",
            ],
        ),
        (
            "collector",
            ("--values", str(SOURCE / "clickstream-collector/ci/04-http-route-values.yaml")),
            ['<script defer src="https://collect.example.com/clickstream.js"></script>'],
        ),
        (
            "collector",
            ("--values", str(SOURCE / "clickstream-collector/ci/05-ingress-values.yaml")),
            ['<script defer src="https://shop.example.com/clickstream.js" data-key="shop"></script>'],
        ),
        (
            "collector",
            ("--set", "ingress.enabled=true,ingress.hosts={collect.test}"),
            ['<script defer src="http://collect.test/clickstream.js"></script>'],
        ),
        ("collector", ("--set", "autoscaling.enabled=true"), ["kubectl get hpa clickstream-collector -n kafka"]),
    ],
)
def test_the_notes_say_the_next_command(
    charts: Charts, tmp_path: Path, app: str, options: tuple[str, ...], commands: list[str]
) -> None:
    told = notes(charts, tmp_path, app, *options)
    for command in commands:
        assert command in told


def notes(charts: Charts, workshop: Path, app: str, *options: str) -> str:
    """NOTES.txt as Helm would print it; only `helm install` does, so here a template of a copy holds its text."""
    copy = workshop / chart(app)
    shutil.copytree(charts.directory / chart(app), copy, dirs_exist_ok=True)
    text = (copy / "templates/NOTES.txt").read_text()
    body = '{{- define "notes" }}' + text + '{{- end }}\nkind: Notes\ntext: {{ include "notes" . | toJson }}\n'
    (copy / "templates/notes.yaml").write_text(body)
    done = charts.run("template", RELEASES[app], str(copy), "-n", "kafka", "-s", "templates/notes.yaml", *options)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["text"])


def test_the_notes_of_a_recreating_upgrade_warn_of_a_rollback(charts: Charts, tmp_path: Path) -> None:
    with kube_api([live_processor()]) as address:
        upgrade = ("--is-upgrade", "--dry-run=server", "--kube-apiserver", address)
        assert "helm rollback" not in notes(charts, tmp_path, "streams", *upgrade)
        assert "`helm rollback` would run both side by side" in notes(
            charts, tmp_path, "streams", *upgrade, "--set", "windowSize=1m"
        )


@pytest.mark.parametrize("app", APPS)
def test_helm_test_runs_the_check_of_the_chart_and_leaves_nothing(charts: Charts, app: str) -> None:
    objects = [each for each in rendered(charts, app) if is_test(each)]
    assert {each["kind"] for each in objects} == {"Pod", "NetworkPolicy"}
    for each in objects:
        policies = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policies == "before-hook-creation,hook-succeeded"
    (pod,) = of_kind(objects, "Pod")
    (check,) = pod["spec"]["containers"]
    assert check["command"] == ["python", "-c"]
    script, address = check["args"]
    assert script == (SOURCE / chart(app) / "files/check.py").read_text()
    assert address == f"http://{RELEASES[app]}:8080"
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.fixture
def replicas() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of an app with two replicas, and what they serve: `ready`, and `metrics`, a function of the turn."""
    served: dict[str, Any] = {"ready": 200, "metrics": lambda turn: ""}
    turns = count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/readyz":
                status, text = served["ready"], "ok" if served["ready"] == 200 else "waiting for Kafka"
            else:
                turn = next(turns)
                status, text = 200, f"process_start_time_seconds {turn % 2}\n{served['metrics'](turn)}\n"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"{text}\n".encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", served
        server.shutdown()
        thread.join()


def run_check(app: str, address: str, patience: float) -> subprocess.CompletedProcess[str]:
    script = (SOURCE / chart(app) / "files/check.py").read_text()
    hasty = script.replace("PATIENCE = 120", f"PATIENCE = {patience}").replace("time.sleep(1)", "time.sleep(0.05)")
    assert hasty.count("0.05") == 2
    return subprocess.run([sys.executable, "-c", hasty, address], capture_output=True, text=True, timeout=60)


ACKNOWLEDGED = "clickstream_producer_events_acknowledged_total"
WATERMARK = "clickstream_streams_watermark_timestamp_seconds"


@pytest.mark.parametrize(
    ("app", "metrics"),
    [
        ("producer", lambda turn: f"{ACKNOWLEDGED} {100 * turn}.0"),
        ("streams", lambda turn: f'{WATERMARK}{{partition="0"}} {turn}.0\n{WATERMARK}{{partition="3"}} {turn}.5'),
    ],
)
def test_a_check_passes_when_its_numbers_move(app: str, metrics: Any, replicas: tuple[str, dict[str, Any]]) -> None:
    address, served = replicas
    served["metrics"] = metrics
    done = run_check(app, address, patience=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("app", "metrics"),
    [
        # The replicas' numbers differ, but neither's moves.
        ("producer", lambda turn: f"{ACKNOWLEDGED} {turn % 2}.0"),
        ("streams", lambda turn: f'{WATERMARK}{{partition="0"}} {turn % 2}.0'),
        ("streams", lambda turn: f'{WATERMARK}{{partition="0"}} {turn}.0\n{WATERMARK}{{partition="3"}} 1.0'),
        ("streams", lambda turn: ""),
    ],
)
def test_a_check_fails_when_its_numbers_stand_still(
    app: str, metrics: Any, replicas: tuple[str, dict[str, Any]]
) -> None:
    address, served = replicas
    served["metrics"] = metrics
    done = run_check(app, address, patience=0.5)
    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: ")


@pytest.mark.parametrize("app", ["producer", "streams"])
def test_a_check_fails_with_the_apps_own_reason_when_it_is_not_ready(
    app: str, replicas: tuple[str, dict[str, Any]]
) -> None:
    address, served = replicas
    served["ready"] = 503
    done = run_check(app, address, patience=0.5)
    assert done.returncode == 1
    assert "503 waiting for Kafka" in done.stderr


@dataclass
class Collector:
    """A collector as its check sees it: what was posted, and how often the first posts are refused."""

    address: str = ""
    refusals: int = 0
    acknowledges: bool = True
    refuses_xml: bool = True
    readable: bool = True
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        self.posts.append((path, headers, body))
        if headers["content-type"] != "application/json":
            return (415, "{}") if self.refuses_xml else (200, "{}")
        if len(self.posts) <= self.refusals or not self.acknowledges:
            return 503, '{"status":"error","error":"Kafka is away"}'
        return 200, '{"status":"ok","received":{}}'


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens."""
    served = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            status, text = served.answer(self.path, headers, body)
            self.send_response(status)
            if served.readable:
                self.send_header("Access-Control-Allow-Origin", headers["origin"])
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def check_collector(address: str, patience: float, **settings: str) -> subprocess.CompletedProcess[str]:
    script = (SOURCE / "clickstream-collector/files/check.py").read_text()
    hasty = script.replace("PATIENCE = 120", f"PATIENCE = {patience}").replace("time.sleep(1)", "time.sleep(0.05)")
    assert hasty.count("0.05") == 1
    command = [sys.executable, "-c", hasty, address]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60)


def test_the_collectors_check_posts_one_event_until_it_is_acknowledged(collector: Collector) -> None:
    collector.refusals = 2
    done = check_collector(collector.address, patience=30)
    assert done.returncode == 0, done.stderr
    *events, xml = collector.posts
    assert len(events) == 3
    assert len({body for _, _, body in events}) == 1, "with its event_id, so that it is one record"
    assert {path for path, _, _ in collector.posts} == {"/ingest"}
    assert all(headers["user-agent"].startswith("Mozilla/5.0") for _, headers, _ in collector.posts)
    assert xml[1]["content-type"] == "application/xml"


def test_the_collectors_check_comes_from_an_allowed_site(collector: Collector) -> None:
    settings = {"SITE_KEYS": "shop,blog", "ALLOWED_ORIGINS": "https://*.example.com,https://example.org"}
    done = check_collector(collector.address, patience=30, **settings)
    assert done.returncode == 0, done.stderr
    for path, headers, _ in collector.posts:
        assert (path, headers["origin"]) == ("/ingest?key=shop", "https://helm-test.example.com")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"acknowledges": False}, "503 "),
        ({"refuses_xml": False}, "application/xml is answered with 200 {} instead of 415"),
        ({"readable": False}, "the page may not read the answer, only nobody"),
    ],
)
def test_the_collectors_check_fails_and_says_why(collector: Collector, fault: dict[str, bool], message: str) -> None:
    for name, value in fault.items():
        setattr(collector, name, value)
    done = check_collector(collector.address, patience=0.5)
    assert done.returncode == 1
    assert done.stderr.startswith("FAILED: ")
    assert message in done.stderr


def test_the_collectors_check_passes_on_the_collector_itself(topics: PipelineTopics, apps: Apps) -> None:
    settings = {"SITE_KEYS": "shop,blog", "ALLOWED_ORIGINS": "https://*.example.com"}
    environ = {**topics.environ, **settings, "ADMIN_PORT": str(free_port())}
    app = apps.start("clickstream_collector.main", environ=environ)

    done = check_collector(f"http://127.0.0.1:{app.http_port}", patience=60, **settings)

    assert done.returncode == 0, done.stderr
    (event,) = topics.read(topics.events, "read_uncommitted")
    assert event.key == b"helm-test"
    assert json.loads(event.value or b"")["page_url"] == "/helm-test"
