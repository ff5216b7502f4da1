"""What local/compose has for compose.yaml alone: scripts and configurations that must agree with the rest."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import yaml
from logstash_pipeline_parser import Pipeline

from clickstream_core.durations import parse_duration
from clickstream_core.password_hashes import is_password
from clickstream_local.archive_place import seaweedfs_place
from clickstream_local.connector import read_connector
from clickstream_local.prometheus import rule_file
from clickstream_local.topics import archive_topics, clickstream_topics, scenario_topics
from clickstream_scenarios.passwords import read_users
from kit.composed import environment, example, mounted, services
from kit.inventory import ROOT
from kit.poll import eventually
from kit.prometheus import run_tool

FOLDER = ROOT / "local/compose"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_jobs_make_the_topics_that_the_local_launcher_makes() -> None:
    create_topics = module("create_topics")
    made = {
        name: {topic.name: (topic.partitions, topic.configs) for topic in create_topics.declared_in(folders(name))}
        for name in ("topics", "scenario-topics", "archive-topics")
    }
    names = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
    launchers = (clickstream_topics(*names), scenario_topics(), archive_topics())
    for found, wanted in zip(made.values(), launchers, strict=True):
        for topic in wanted:
            partitions, configs = found.pop(topic.name)
            assert partitions == topic.partitions
            # The launcher keeps the pipeline's records for as long as WINDOW_SIZE needs, where that is longer.
            assert {**configs, "retention.ms": ""} == {**topic.configs, "retention.ms": ""}
            assert configs.get("retention.ms") == topic.configs.get("retention.ms") or topic.replayed
    # A worker of the launcher makes its own.
    assert [name for found in made.values() for name in found] == [
        "clickstream-connect-configs",
        "clickstream-connect-offsets",
        "clickstream-connect-status",
    ]


def folders(service: str) -> list[Path]:
    return [ROOT / each.lstrip("/") for each in services()[service]["command"]]


def test_the_default_windows_fit_the_topics_retention() -> None:
    given = environment(services()["streams"])
    assert parse_duration(given["WINDOW_SIZE"]) + parse_duration(given["ALLOWED_LATENESS"]) < 22 * 3_600_000


def test_connects_worker_has_the_settings_of_a_clusters() -> None:
    lines = (FOLDER / "worker.properties").read_text("utf-8").splitlines()
    here = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    spec = yaml.safe_load((ROOT / "strimzi/archive/connect/kafka-connect.yaml").read_text("utf-8"))["spec"]
    for name, value in spec["config"].items():
        assert here[name] == str(value)
    for kind in ("config", "offset", "status"):
        assert here[f"{kind}.storage.topic"] == spec[f"{kind}StorageTopic"]
    assert here["group.id"] == spec["groupId"]
    plugins = re.search(
        r"COPY --from=jars /plugins (\S+)", (ROOT / "deploy/image/connect/Dockerfile").read_text("utf-8")
    )
    assert plugins
    assert here["plugin.path"] == plugins[1]


def test_the_connector_finds_its_variables() -> None:
    needed = set(re.findall(r"\$\{env:(\w+)\}", json.dumps(read_connector("rest"))))
    given = environment(services()["connect"])
    assert needed <= given.keys()
    assert seaweedfs_place(8333, 8181).environ.keys() <= given.keys()
    assert given["CATALOG_CREDENTIAL"] == ":".join(
        given[f"AWS_{each}"] for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    )


class _Connect(BaseHTTPRequestHandler):
    """Kafka Connect, whose connector has a failed task until it is started again."""

    asked: ClassVar[list[tuple[str, str]]] = []
    config: ClassVar[dict[str, str]] = {}

    def _answer(self) -> None:
        type(self).asked.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "PUT":
            type(self).config.update(json.loads(body))
        restarted = any("restart" in path for _, path in self.asked)
        task = {"state": "RUNNING"} if restarted else {"state": "FAILED", "trace": "The bucket is away\n\tat line 1"}
        answer = json.dumps({"connector": {"state": "RUNNING"}, "tasks": [task]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_connector_is_put_there_and_started_again_when_it_has_failed(tmp_path: Path) -> None:
    given = environment(services()["archive-connector"])
    source = next(path for path, (file, _) in mounted(services()["archive-connector"]).items() if file.endswith("json"))
    assert given["CONNECTOR_FILE"] == source
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _Connect)) as url:
        environ = {
            **given,
            "CONNECT_URL": url,
            "CONNECTOR_FILE": str(ROOT / "strimzi/archive/connector-rest.json"),
            "PYTHONIOENCODING": "utf-8",
        }
        log = tmp_path / "log"
        with log.open("wb") as output:
            keeper = subprocess.Popen([sys.executable, FOLDER / "tend_connector.py"], env=environ, stdout=output)
            try:
                eventually(lambda: any("restart" in path for _, path in _Connect.asked) or None, 30)
            finally:
                keeper.kill()
                keeper.wait()
    assert _Connect.asked[0] == ("PUT", "/connectors/clickstream-archive/config")
    assert {**read_connector("rest"), "iceberg.control.commit.interval-ms": "30000"} == _Connect.config
    assert "is started again: The bucket is away\n" in log.read_text("utf-8")


def admin(environ: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run serve_admin.py with a stand-in for the app, which prints its environment."""
    app = tmp_path / "clickstream-scenarios-admin"
    app.write_text("#!/bin/sh\nenv\n")
    app.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ADMIN_USERS_FILE": str(tmp_path / "users"), **environ}
    command: list[str | Path] = [sys.executable, FOLDER / "serve_admin.py"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_the_admin_page_has_the_one_user_of_the_settings(tmp_path: Path) -> None:
    given = {name: value for name, value in example(commented=False).items() if name.startswith("ADMIN")}
    done = admin(given, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ADMIN_PASSWORD" not in done.stdout
    users = read_users(tmp_path / "users")
    assert list(users) == [given["ADMIN_USER"]]
    assert is_password(given["ADMIN_PASSWORD"], users[given["ADMIN_USER"]])


def test_the_admin_page_asks_for_a_password_that_is_long_enough(tmp_path: Path) -> None:
    done = admin({"ADMIN_USER": "admin", "ADMIN_PASSWORD": "short"}, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("ADMIN_USER and ADMIN_PASSWORD (12 characters at least) must be set: cp .env.example .env\n")


def edited_by(script: str, start: str, sources: dict[str, Path], environ: dict[str, str], tmp_path: Path) -> Path:
    """Run a start script up to its exec, with the container's paths replaced; return the file that it writes."""
    text, _, _ = (FOLDER / script).read_text("utf-8").partition("\nexec ")
    target = tmp_path / "written"
    for path, file in {**sources, start: target}.items():
        assert path in text
        text = text.replace(path, str(file))
    subprocess.run(["bash", "-c", text], env={"PATH": os.environ["PATH"], **environ}, check=True)
    return target


def test_logstash_gets_its_s3_and_an_index_of_its_own(tmp_path: Path) -> None:
    source = ROOT / "shippers/logstash/pipeline/logstash.conf"
    written = edited_by(
        "start-logstash",
        "/usr/share/logstash/pipeline/logstash.conf",
        {"/etc/clickstream/logstash.conf": source},
        environment(services()["logstash"]),
        tmp_path,
    )
    before, after = source.read_text("utf-8"), written.read_text("utf-8")
    Pipeline(after).parse()
    index = 'index => "web_logs"'
    assert before.count(index) == 1
    added = '      endpoint => "http://seaweedfs:8333"\n      additional_settings => { "force_path_style" => true }\n'
    assert after.count(added) == 1
    assert after.replace(added, "").replace('index => "web_logs-logstash"', index) == before
    assert '      region => "${AWS_REGION}"\n      endpoint' in after[after.index("  s3 {") :]


def test_prometheus_gets_the_rules_of_the_repository(tmp_path: Path) -> None:
    source = ROOT / "monitoring/alerts.yaml"
    rules = {"/etc/clickstream/alerts.yaml": source}
    written = edited_by("start-prometheus", "/prometheus/rules.yaml", rules, {}, tmp_path)
    assert yaml.safe_load(written.read_text("utf-8")) == yaml.safe_load(rule_file(source.read_text("utf-8")))
    configuration = tmp_path / "prometheus.yaml"
    text = (FOLDER / "prometheus.yaml").read_text("utf-8").replace("/prometheus/rules.yaml", str(written))
    configuration.write_text(text, encoding="utf-8")
    checked = run_tool("promtool", "check", "config", configuration)
    assert checked.returncode == 0, checked.stdout


def test_prometheus_finds_every_app() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    targets = {
        name: each["port"]
        for job in configuration["scrape_configs"]
        for each in job["dns_sd_configs"]
        for name in each["names"]
    }
    ours = re.compile(r"localhost/clickstream-(?!seaweedfs|connect|fluentd|logstash)")
    served = {
        name: 8081 if name == "collector" else 8080
        for name, service in services().items()
        if ours.match(service["image"]) and not service.get("healthcheck", {}).get("disable")
    }
    assert targets == served


def test_grafana_shows_the_repositorys_dashboard_from_prometheus() -> None:
    seen = mounted(services()["grafana"])
    source = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text("utf-8"))["datasources"]
    provider = yaml.safe_load((FOLDER / "grafana/dashboards.yaml").read_text("utf-8"))["providers"]
    assert [each["url"] for each in source] == ["http://prometheus:9090"]
    path = environment(services()["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert seen[path] == ("./monitoring/grafana-dashboard.json", "ro,z")
    assert [each["options"]["path"] for each in provider] == [str(Path(path).parent)]


@pytest.mark.parametrize("script", ["start-logstash", "start-prometheus"])
def test_a_start_script_ends_as_the_images_program(script: str) -> None:
    assert (FOLDER / script).read_text("utf-8").splitlines()[-1].startswith("exec /")
