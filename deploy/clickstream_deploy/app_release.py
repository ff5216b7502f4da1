"""The apps' Helm releases, in Kafka's namespace: a chart is rendered and its rights are asked for first, then it is
installed until its pods are Ready.
"""

import base64
import secrets
from collections.abc import Callable

import yaml

from clickstream_deploy import kinds
from clickstream_deploy.apps import COLLECTOR, MONITORING, PROCESSOR, ROOT, App
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import indented
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import kind_of
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.objects import INSTANCE, PART, Manifest, at
from clickstream_deploy.pods import APP, Watch
from clickstream_deploy.release import Release
from clickstream_deploy.session import Session
from clickstream_deploy.values import Values, chosen_values, connection_values
from clickstream_deploy.waiting import remove_all


class AppRelease(Component):
    """The release of an app; apps that need more are subclasses."""

    def __init__(self, session: Session, kafka: KafkaCluster, nodes: Nodes, app: App) -> None:
        super().__init__(session)
        self.app = app
        self.name = app.release
        self.is_wanted = not app.option or app.option in self.options.parts
        """An optional app that is there and was not asked for stays as it is."""
        self.rendered: list[Manifest] = []
        self._kafka = kafka
        self._nodes = nodes
        self._release = Release(session, self.namespace, app.release, app.release)

    # -- setup.sh

    def check(self) -> None:
        """Render the chart. Raises EndedError when it refuses the values, or helm is at work on the release."""
        if not self.is_wanted:
            return
        self.rendered = self._render()
        status = self._release.status()
        if status == "uninstalling" or status.startswith("pending-"):
            remedy = "uninstall" if status in ("pending-install", "uninstalling") else "rollback"
            raise EndedError(
                f"release {self.name} is {status}: another setup.sh or cleanup.sh is at work, or one was killed; if so,"
                f" run helm {remedy} {self.name} -n {self.namespace} first"
            )

    def rights(self) -> list[str]:
        """Helm keeps its records in Secrets, and makes what the chart holds; what happens then is looked at."""
        if not self.is_wanted:
            return []
        seen = [*rights("list", kinds.POD), "get pods/log", *rights("list", kinds.EVENT)]
        made = sorted({kind_of(each) for each in self.rendered}, key=str)
        return [*rights("list create update", kinds.SECRET), *seen, *rights("create patch", *made)]

    def install(self) -> None:
        if not self.is_wanted:
            if self._release.status():
                self.say(f"{self.name} is there and stays as it is (with --{self.app.option} it is updated too)")
            return
        self._prepare()
        if self.options.dry_run:
            self._try()
            return
        connection = self._kafka.connection
        address = connection.bootstrap_servers if connection else ""
        watch = Watch(self.session, APP, f"{INSTANCE}={self.name}", kafka=address)
        self._release.install(str(self.app.chart), self._arguments(), watch, "its pods are being made")
        self.say(f"{self.name} is Ready")

    def _prepare(self) -> None:
        """Make what the release needs beside its chart."""

    def _keep_secret(self, name: str, make: Callable[[], dict[str, str]]) -> None:
        """Create a Secret that the chart's pods mount, unless it is there or the values name another; an existing one
        is never changed."""
        volumes = [v for each in self.rendered for v in at(each, "spec", "template", "spec", "volumes") or []]
        if name not in [at(each, "secret", "secretName") for each in volumes]:
            return
        if self.cluster.objects(kinds.SECRET, fields=f"metadata.name={name}"):
            return
        if self.options.dry_run:
            self.say(f"Would create the secret {name}")
            return
        data = {key: base64.b64encode(text.encode()).decode() for key, text in make().items()}
        metadata = {"name": name, "labels": {INSTANCE: self.name, PART: "clickstream"}}
        self.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
        self.say(f"Secret {name} created")

    def _found(self) -> list[Values | str]:
        """Return the values of this run, some of them as YAML; the later win."""
        connection = self._kafka.connection
        kafka = connection_values(connection, self.session.kafka) if connection else {}
        given = [each.text for each in self.options.values if each.release in ("", self.name)]
        return [{**kafka, **self._nodes.values}, *given, chosen_values(self.options, self.name)]

    def _arguments(self) -> list[str]:
        """Return helm's arguments for the values."""
        arguments = []
        for number, part in enumerate(self._found()):
            if part:
                path = self.session.work / f"{self.name}-{number}.yaml"
                path.write_text(part if isinstance(part, str) else yaml.safe_dump(part), encoding="utf-8")
                arguments += ["--values", str(path)]
        return arguments

    def _render(self) -> list[Manifest]:
        chart = self.app.chart
        completed = self.session.programs.run("helm", "dependency", "build", "--skip-refresh", str(chart))
        if completed.status != 0:
            reason = _last_line(completed.error or completed.output)
            raise EndedError(f"chart {chart} can't be completed ({reason}): is the folder writable?")
        version = ["--kube-version", self.session.kubernetes] if self.session.kubernetes else []
        done = self._release.helm("template", self.name, str(chart), *self._arguments(), *version, "--no-hooks")
        if done.status == 0:
            return [each for each in yaml.safe_load_all(done.output) if each]
        if "requires kubeVersion" in done.error:
            raise EndedError(f"this cluster's Kubernetes is too old for {self.name} ({_last_line(done.error)})")
        raise EndedError(
            f"the values for {self.name} are refused: see above ({chart.relative_to(ROOT)}/values.yaml explains them)",
            explanation=indented(done.error),
        )

    def _try(self) -> None:
        """Ask the server, once there is a Kafka to connect to."""
        if self._kafka.found:
            trial = ("upgrade", "--install", "--dry-run=server", self.name, str(self.app.chart))
            done = self._release.helm(*trial, *self._arguments())
            if done.status != 0:
                raise EndedError(f"{self.name} could not be installed: see above", explanation=indented(done.error))
        self.say(f"Would {'upgrade' if self._release.status() else 'install'} {self.name}")

    # -- cleanup.sh

    def removal_rights(self) -> list[str]:
        return rights("list delete", kinds.SECRET) + rights("delete", kinds.DEPLOYMENT)

    def remove(self) -> None:
        """Remove the release and wait for its pods to go: they finish their work first."""
        if self._release.status():
            self._release.remove("--cascade", "foreground")
            self.session.removed(f"release {self.name}")
        if not self.options.dry_run:
            self._remove_rest()

    def _remove_rest(self) -> None:
        """Remove what helm no longer knows or leaves behind: the pods of helm test, failed hooks, and the
        Secrets that setup.sh made."""
        selector = f"{INSTANCE}={self.name},{PART}=clickstream"
        found = [kind for kind in kinds.OF_CHARTS if self.cluster.seen_objects(kind, selector)]
        try:
            if remove_all(self.session, found, selector):
                self.session.removed(f"what was left of {self.name}")
        except ApiError as error:
            raise EndedError(f"not all of {self.name} could be removed ({error}): run cleanup.sh again") from error


class Processor(AppRelease):
    """The stream processor, whose settings say how long topics keep their records."""

    DECISIVE = ("WINDOW_SIZE", "WINDOW_TIME", "MAX_CLOCK_SKEW")
    """The settings that decide what is counted where."""

    def environment(self) -> dict[str, str]:
        """Return its container's environment, as the chart renders it from all values."""
        return _environment(next((each for each in self.rendered if each["kind"] == kinds.DEPLOYMENT.name), None))

    def _found(self) -> list[Values | str]:
        """Replace the pods one by one if the decisive settings stay the same; otherwise the old ones end first, which
        is the chart's default."""
        first, *others = super()._found()
        running, wanted = _environment(self.cluster.seen(kinds.DEPLOYMENT, self.name)), self.environment()
        same = bool(self.rendered) and all(wanted.get(each, "") == running.get(each, "") for each in self.DECISIVE)
        return [first, {"strategy": "RollingUpdate"} if same else {}, *others]


class Collector(AppRelease):
    """The collector, with --collector."""

    def _prepare(self) -> None:
        """The salt of visitors' ids, if it is missing."""
        self._keep_secret(f"{self.name}-visitors", lambda: {"secret": secrets.token_hex(32)})

    def next_steps(self) -> str:
        return _COLLECTOR_STEPS.format(name=self.name, namespace=self.namespace) if self.is_wanted else ""


class Monitoring(AppRelease):
    """The dashboard and the alert rules: when they are asked for, or when the Prometheus operator is there and this
    user may create both; without the operator the dashboard alone."""

    _rules = False

    def check(self) -> None:
        served = kinds.RULE.name in [each.name for each in self.cluster.serves(kinds.RULE.group, kinds.RULE.version)]
        self._rules = served and not self.cluster.missing_rights(rights("create patch", kinds.RULE, kinds.CONFIG_MAP))
        self.is_wanted = self.options.monitoring or self._rules
        if self.options.monitoring and not self._rules:
            self.say(f"No alert rules: the Prometheus operator is not installed, or you may not create {kinds.RULE}")
        if not self.is_wanted and any(each.release == self.name for each in self.options.values):
            raise EndedError(
                f"--values={self.name}=...: without the Prometheus operator this release is installed with"
                " --monitoring, which is missing"
            )
        super().check()

    def _found(self) -> list[Values | str]:
        """Its own values, and none of the apps'."""
        given = [each.text for each in self.options.values if each.release == self.name]
        return [{"rules": {"enabled": self._rules}}, *given]


PARTICULAR = {PROCESSOR: Processor, COLLECTOR: Collector, MONITORING: Monitoring}
"""The apps that are more than their charts."""

_COLLECTOR_STEPS = """
  # The collector: an event of your own, while the first command runs; and the line for your pages
  kubectl port-forward service/{name} 8090:8080 -n {namespace}
  curl -H 'Content-Type: application/json' -d '{{"path": "/hello"}}' http://localhost:8090/ingest
  helm get notes {name} -n {namespace}
"""


def _environment(deployment: Manifest | None) -> dict[str, str]:
    """Return the environment of its first container; the last of a name wins."""
    found = at(deployment, "spec", "template", "spec", "containers", 0, "env") or []
    return {each["name"]: str(each["value"]) for each in found if "value" in each}


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
