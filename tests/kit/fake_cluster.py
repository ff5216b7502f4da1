"""Fake kubectl and helm whose answers a test sets, for scripts whose decisions depend on the answers.

The PATH of the scripts has these two, bash, sed and coreutils, and nothing else. A call is recorded as the program and
its arguments, separated by spaces.
"""

import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kit import inventory
from kit.inventory import ROOT

_TOOLS = (
    "bash",
    "sed",
    "basename",
    "cat",
    "cp",
    "date",
    "dirname",
    "env",
    "head",
    "mktemp",
    "rm",
    "sleep",
    "sort",
    "tail",
    "tr",
)
# In bash without other programs, because a script calls it dozens of times. Records end with a record separator, their
# fields with a unit separator: call, standard input, and each file given with --values.
_PROGRAM = r"""#!/usr/bin/env bash
call="${0##*/} $*" given='' record=''
case $call in *" -f -"*) IFS= read -r -d '' given ;; esac
printf -v record '%s\x1f%s\x1f' "$call" "$given"
while [ $# -gt 0 ]; do
    [ "$1" != --values ] || record+=$(<"$2")$'\x1f'
    shift
done
printf '%s\x1e' "$record" >>"$FOLDER/calls"
while IFS= read -r rule; do
    IFS= read -r pattern <"$FOLDER/$rule/pattern"
    [[ $call =~ $pattern ]] || continue
    printf . >>"$FOLDER/$rule/asked"
    asked=$(<"$FOLDER/$rule/asked")
    answer=$FOLDER/$rule/output-${#asked}
    [ -f "$answer" ] || answer=$FOLDER/$rule/output-last
    if [ -f "$FOLDER/$rule/echo" ]; then
        printf '%s' "$given"
    else
        IFS= read -r -d '' text <"$answer"
        printf '%s' "$text"
    fi
    IFS= read -r -d '' error <"$FOLDER/$rule/error"
    printf '%s' "$error" >&2
    read -r status takes <"$FOLDER/$rule/end"
    [ "$takes" = 0 ] || exec sleep "$takes"
    exit "$status"
done <"$FOLDER/rules"
"""


@dataclass(frozen=True)
class Call:
    """One call of kubectl or helm, with its standard input and the files given with --values."""

    call: str
    stdin: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """How a script ended."""

    status: int
    output: str
    error: str
    calls: tuple[Call, ...]

    def called(self, pattern: str) -> list[Call]:
        """The calls that match the regular expression, in order, without those of `kubectl auth can-i`."""
        return [call for call in self.calls if re.search(pattern, call.call) and " auth can-i " not in call.call]


@dataclass
class FakeCluster:
    """The answers of kubectl and helm: the newest rule that matches; without one no output and exit status 0."""

    folder: Path
    _rules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.folder / "bin"
        path.mkdir(parents=True)
        for tool in _TOOLS:
            found = shutil.which(tool)
            assert found, f"there is no {tool} on this machine"
            (path / tool).symlink_to(found)
        for program in ("kubectl", "helm"):
            (path / program).write_text(_PROGRAM)
            (path / program).chmod(0o755)

    def answer(
        self, pattern: str, *outputs: str, status: int = 0, error: str = "", takes: float = 0, echo: bool = False
    ) -> None:
        """Answer calls that match with the outputs, one after the other and then always the last, or with `echo` what
        was read from standard input. The pattern is an extended regular expression, `takes` is in seconds."""
        rule = self.folder / f"rule-{len(self._rules)}"
        rule.mkdir()
        for number, output in enumerate(outputs, start=1):
            (rule / f"output-{number}").write_text(output)
        (rule / "output-last").write_text(outputs[-1] if outputs else "")
        (rule / "pattern").write_text(pattern + "\n")
        (rule / "error").write_text(error)
        (rule / "end").write_text(f"{status} {takes:g}\n")
        if echo:
            (rule / "echo").touch()
        self._rules.insert(0, rule.name)

    def remove(self, program: str) -> None:
        """Remove kubectl or helm from the PATH."""
        (self.folder / "bin" / program).unlink()

    def run(
        self, script: str, *arguments: str, folder: Path | None = None, interrupt_at: str | None = None
    ) -> Finished:
        """Run a script of the repository's root. At the first output with `interrupt_at` in it, Ctrl+C is pressed."""
        return self._run([str(ROOT / script), *arguments], folder, interrupt_at)

    def source(self, *lines: str) -> Finished:
        """Run lines of bash after all of the scripts' functions, without their beginnings, as inside setup.sh."""
        parts = sorted(each for each in (ROOT / "deploy").glob("*.sh") if not os.access(each, os.X_OK))
        settings = "PROGRAM=test NAMESPACE=kafka CLUSTER_NAME=data-on-eks CONTEXT= TIMEOUT=600 DRY_RUN= WITH_KAFKA="
        sources = [f"ROOT={ROOT}", *(f". {each}" for each in parts), settings]
        return self._run(["bash", "-euo", "pipefail", "-c", "\n".join([*sources, *lines])], None, None)

    def _run(self, command: list[str], folder: Path | None, interrupt_at: str | None) -> Finished:
        (self.folder / "rules").write_text("".join(f"{rule}\n" for rule in self._rules))
        log = self.folder / "calls"
        log.write_text("")
        process = subprocess.Popen(
            command,
            cwd=folder or self.folder,
            env={
                "PATH": str(self.folder / "bin"),
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder),
                "FOLDER": str(self.folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )
        lines = []
        if interrupt_at is not None and process.stdout is not None:
            for line in process.stdout:
                lines.append(line)
                if interrupt_at in line:
                    os.killpg(process.pid, signal.SIGINT)
                    break
        try:
            output, error = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        records = [record.split("\x1f") for record in log.read_text().split("\x1e")[:-1]]
        calls = tuple(Call(call, given, tuple(files[:-1])) for call, given, *files in records)
        return Finished(process.returncode, "".join(lines) + output, error, calls)


def _heed_interrupts() -> None:
    """A background shell ignores SIGINT, and children inherit that; restore the default so that Ctrl+C works."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def healthy_cluster(folder: Path) -> FakeCluster:
    """A cluster with Strimzi and, in namespace kafka, a Ready Kafka data-on-eks: one broker, TLS with SCRAM, ACLs."""
    cluster = FakeCluster(folder)
    cluster.answer("config current-context", "fake\n")
    cluster.answer("config view --minify", "https://fake:6443")
    cluster.answer("get --raw=/version", "{}")
    cluster.answer(" api-versions", "v1\nkafka.strimzi.io/v1\n")
    kinds = "".join(f'{{"kind":"{kind}"}},' for kind in ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser"))
    cluster.answer("get --raw=/apis/kafka.strimzi.io/v1", kinds)
    cluster.answer("get namespace kafka ", "kafka|")
    cluster.answer("get kafkas.* -o jsonpath=.range .items", "kafka/data-on-eks\n")
    cluster.answer("get kafkas.* data-on-eks .*observedGeneration", "1|1|Ready=True : |")
    cluster.answer("get kafkas.*kafkaVersion", "4.3.1")
    cluster.answer("get kafkas.*superUsers", "simple|\n")
    cluster.answer("get kafkas.*spec.kafka.listeners", "tls|9093|internal|true|scram-sha-512|\n")
    cluster.answer("get kafkas.*status.listeners", "data-on-eks-kafka-bootstrap.kafka.svc:9093")
    cluster.answer("get kafkas.*entityOperator", "{}|{}\n")
    cluster.answer("get kafkas.* data-on-eks --ignore-not-found -o name", "kafka.kafka.strimzi.io/data-on-eks\n")
    cluster.answer("get kafkanodepools.*spec.replicas", '1|["controller","broker"]\n')
    for overlay, replicas in (("dev", 1), ("eks", 3)):
        topics = [_topic(manifest, replicas) for manifest in inventory.topics().values()]
        cluster.answer(f"kustomize .*/overlays/{overlay}/topics", "---\n".join(topics))
    cluster.answer("kustomize .*/overlays/dev/kafka", "---\n".join(_KAFKA))
    cluster.answer("kustomize .*/base/users", "---\n".join(_user(name) for name in RELEASES))
    cluster.answer("kustomize .*/strimzi/collector", _user(COLLECTOR))
    cluster.answer("^kubectl (label|patch) --local", echo=True)
    cluster.answer("helm version", "v3.22.0+g1234567\n")
    cluster.answer("helm template", "kind: Deployment\n---\nkind: Service\n")
    cluster.answer("helm template clickstream-streams-processor ", processor_deployment())
    cluster.answer("helm .*(status|history) ", status=1)
    return cluster


RELEASES = tuple(each.name for each in inventory.releases() if not each.option)
"""In the order in which setup.sh installs them."""

COLLECTOR = "clickstream-collector"
"""Installed after them with --collector."""

CHANGING = r"^kubectl .*(create|apply|delete|label|patch) |^helm .*(upgrade|install|uninstall|rollback) "
"""The calls that change something, or would."""

LISTENER = "get kafkas.*spec.kafka.listeners"
"""The query for the listeners of a Kafka."""

MUTUAL = "mutual|9095|internal|true|tls|\n"
"""An answer: client certificates only."""

TOPICS = {name: manifest["spec"]["partitions"] for name, manifest in inventory.topics().items()}
"""Partitions by the topic's name in Kubernetes."""

_KAFKA = (
    "kind: Kafka\nmetadata:\n  name: data-on-eks\n",
    "kind: KafkaNodePool\nmetadata:\n  labels:\n    strimzi.io/cluster: data-on-eks\n  name: dual-role\n",
)


def processor_deployment(**settings: str) -> str:
    """The processor's Deployment as Helm renders it, with these settings in its container's environment."""
    environment = {
        "EVENTS_TOPIC": "clickstream-events",
        "METRICS_TOPIC": "clickstream-metrics",
        "PARTIALS_TOPIC": "clickstream-window-partials",
        "WINDOW_SIZE": "5m",
        "OUT_OF_ORDERNESS": "5s",
        "ALLOWED_LATENESS": "1m",
    }
    pairs = [*environment.items(), *settings.items()]
    indent = "            "
    lines = "".join(f'{indent}- name: {name}\n{indent}  value: "{value}"\n' for name, value in pairs)
    return f"kind: Deployment\nspec:\n          env:\n{lines}---\nkind: Service\n"


def _topic(manifest: dict[str, Any], replicas: int) -> str:
    """The manifest as kustomize prints it, with this number of replicas."""
    return str(yaml.safe_dump({**manifest, "spec": {**manifest["spec"], "replicas": replicas}}))


def _user(name: str) -> str:
    return f"kind: KafkaUser\nmetadata:\n  labels:\n    strimzi.io/cluster: data-on-eks\n  name: {name}\n"


def changes(finished: Finished) -> list[str]:
    """The calls that change something in the cluster."""
    calls = [each.call for each in finished.called(CHANGING)]
    return [each for each in calls if "--dry-run" not in each and "--local" not in each]


def values_of(finished: Finished, release: str) -> str:
    """All values that helm was given for a release, the last files last."""
    (upgrade,) = finished.called(f"helm upgrade --install {release} ")
    return "".join(upgrade.values)
