import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings
from clickstream_local.errors import LocalError, PrometheusFailed
from clickstream_local.main import check_ports
from clickstream_local.ports import free_port, is_free
from clickstream_local.prometheus import ALERTS, Prometheus, find_prometheus, rule_file
from clickstream_local.settings import LocalSettings

Make = Callable[..., Prometheus]

# Answers as Prometheus does when it is ready, after a moment; it is given Prometheus' options.
_READY = """\
#!/bin/sh
for option; do case $option in --web.listen-address=*) port=${option##*:} ;; esac; done
exec python3 -c 'import sys, http.server as h
class H(h.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200 if self.path == "/-/ready" else 404); self.end_headers()
h.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()' "$port"
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Prometheus with a shell script in its place."""

    def with_script(script: str, **options: str) -> Prometheus:
        executable = tmp_path / "prometheus"
        executable.write_text(script)
        executable.chmod(0o755)
        return Prometheus(
            tmp_path / "data",
            executable=executable,
            port=free_port(),
            targets={"clickstream-consumer": "localhost:8080"},
            rules="groups: []\n",
            log=tmp_path / "prometheus.log",
            **options,
        )

    return with_script


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port with a listener."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield listener.getsockname()[1]


def settings(*argv: str) -> LocalSettings:
    return read_settings(LocalSettings, prog="test", description="", argv=argv, environ={})


def test_the_alerts_become_a_rule_file() -> None:
    rules = yaml.safe_load(rule_file(ALERTS.read_text(encoding="utf-8")))

    names = [group["name"] for group in rules["groups"]]
    assert names == [
        "clickstream.recording",
        "clickstream.pipeline",
        "clickstream.collector",
        "clickstream.archive",
        "clickstream.scenarios",
        "clickstream.pods",
        "clickstream.kafka",
    ]


def test_the_apps_are_targets_and_the_rules_are_loaded(make: Make, tmp_path: Path) -> None:
    prometheus = make(_READY)
    prometheus.start()
    prometheus.stop()

    configuration = json.loads((tmp_path / "data" / "prometheus.json").read_text())
    (job,) = configuration["scrape_configs"]
    assert job["job_name"] == "clickstream-consumer"
    assert job["static_configs"] == [{"targets": ["localhost:8080"], "labels": {"namespace": "local"}}]
    (rules,) = configuration["rule_files"]
    assert (tmp_path / "data" / rules).read_text() == "groups: []\n", "as seen from the configuration"


@pytest.mark.parametrize(("options", "address"), [({}, "127.0.0.1"), ({"host": "0.0.0.0"}, "0.0.0.0")])
def test_it_listens_where_it_is_told_and_on_this_machine_alone_by_default(
    make: Make, tmp_path: Path, options: dict[str, str], address: str
) -> None:
    prometheus = make(f'#!/bin/sh\necho "$@" > {tmp_path}/given\n' + _READY.removeprefix("#!/bin/sh\n"), **options)
    prometheus.start()
    prometheus.stop()

    assert f"--web.listen-address={address}:" in (tmp_path / "given").read_text()
    assert prometheus.url.startswith("http://localhost:")


def test_it_is_stopped_and_its_port_is_free_again(make: Make) -> None:
    prometheus = make(_READY)
    prometheus.start()
    port = int(prometheus.url.rpartition(":")[2])
    assert not is_free(port)

    prometheus.stop()

    assert not prometheus.child.running
    assert is_free(port)


def test_one_that_does_not_start_is_said_with_the_end_of_its_log(make: Make) -> None:
    prometheus = make("#!/bin/sh\necho no space left on device\nexit 1\n")

    with pytest.raises(PrometheusFailed, match=r"(?s)exit status 1.*no space left on device"):
        prometheus.start()


def test_where_it_is_not_installed_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_prometheus() is None


def test_its_port_is_checked_like_the_others(taken_port: int) -> None:
    http_port = free_port(3)
    chosen = settings("--http-port", str(http_port), "--prometheus-port", str(taken_port), "--monitoring")

    with pytest.raises(LocalError, match=rf"port {taken_port} \(Prometheus\).*--prometheus-port"):
        check_ports(chosen, embedded=False, with_prometheus=True)


def test_without_http_ports_there_is_nothing_to_watch() -> None:
    with pytest.raises(SettingsError, match="MONITORING=true: .*HTTP_PORT=0"):
        settings("--monitoring", "--http-port", "0")
