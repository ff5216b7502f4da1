"""What a user is told after an installation, and `helm test`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from kit.helm import Charts
from kit.kube_api import kube_api
from kit.rendered import APPS, RELEASES, SOURCE, chart, is_test, live_processor, of_kind, rendered


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
