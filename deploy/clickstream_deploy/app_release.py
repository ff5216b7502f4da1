"""An app's Helm release: its chart is rendered and its rights are asked for first, then it is installed until its pods
are Ready. Apps that need more are subclasses (`processor`, `collector`, `monitoring`).
"""

import yaml

from clickstream_deploy import kinds
from clickstream_deploy.apps import ROOT, App
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import indented
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.kinds import DEPLOYMENT, SECRET, kind_of
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.objects import INSTANCE, PART, Manifest, name_of
from clickstream_deploy.pods import APP, Watch
from clickstream_deploy.release import Release
from clickstream_deploy.session import Session
from clickstream_deploy.values import Values, chosen_values, connection_values, value_arguments
from clickstream_deploy.waiting import wait_until_gone


class AppRelease(Component):
    """The release of an app, in Kafka's namespace."""

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
        return [*rights("list create update", SECRET), *seen, *rights("create patch", *made)]

    def install(self) -> None:
        if self.is_wanted:
            self._prepare()
            if not self.options.dry_run:
                self._install()
            elif self._kafka.found:
                self._try()
            else:
                self.say(f"Would install {self.name}")
        elif self._release.status():
            self.say(f"{self.name} is there and stays as it is (with --{self.app.option} it is updated too)")

    def values(self) -> Values:
        """Return what was found out beside the connection and the nodes."""
        return {}

    def _prepare(self) -> None:
        """Make what the release needs."""

    def _arguments(self) -> list[str]:
        connection = self._kafka.connection
        found = self._nodes.values | (connection_values(connection, self.session.kafka) if connection else {})
        given = [each.text for each in self.options.values if each.release in ("", self.name)]
        chosen = chosen_values(self.options, self.name)
        return value_arguments(self.session, self.name, found, self.values(), *given, chosen)

    def _render(self) -> list[Manifest]:
        helm, chart = self.session.helm, self.app.chart
        completed = helm.complete(chart)
        if completed.status != 0:
            reason = _last_line(completed.error or completed.output)
            raise EndedError(f"chart {chart} can't be completed ({reason}): is the folder writable?")
        version = ["--kube-version", self.session.kubernetes] if self.session.kubernetes else []
        arguments = ["template", self.name, str(chart), *self._arguments(), *version, "--no-hooks"]
        done = helm.run(self.namespace, *arguments)
        if done.status == 0:
            return [each for each in yaml.safe_load_all(done.output) if each]
        if "requires kubeVersion" in done.error:
            raise EndedError(f"this cluster's Kubernetes is too old for {self.name} ({_last_line(done.error)})")
        raise EndedError(
            f"the values for {self.name} are refused: see above ({chart.relative_to(ROOT)}/values.yaml explains them)",
            explanation=indented(done.error),
        )

    def _install(self) -> None:
        connection = self._kafka.connection
        address = connection.bootstrap_servers if connection else ""
        watch = Watch(self.session, APP, f"{INSTANCE}={self.name}", kafka=address)
        self._release.install(str(self.app.chart), self._arguments(), watch, "its pods are being made")
        self.say(f"{self.name} is Ready")

    def _try(self) -> None:
        arguments = ["upgrade", "--install", "--dry-run=server", self.name, str(self.app.chart), *self._arguments()]
        done = self.session.helm.run(self.namespace, *arguments)
        if done.status != 0:
            raise EndedError(f"{self.name} could not be installed: see above", explanation=indented(done.error))
        self.say(f"Would {'upgrade' if self._release.status() else 'install'} {self.name}")

    # -- cleanup.sh

    def removal_rights(self) -> list[str]:
        return rights("list delete", SECRET) + rights("delete", DEPLOYMENT)

    def remove(self) -> None:
        """Remove the release and wait for its pods to go: they finish their work first."""
        if self._release.status():
            self._release.remove("--cascade", "foreground")
            self.session.removed(f"release {self.name}")
        if not self.options.dry_run:
            self._remove_rest()

    def _remove_rest(self) -> None:
        """Remove what helm no longer knows or leaves behind: the pods of helm test, and the secret of the
        collector's visitors."""
        selector = f"{INSTANCE}={self.name},{PART}=clickstream"
        found = [
            (kind, name_of(each)) for kind in kinds.OF_CHARTS for each in self.cluster.seen_objects(kind, selector)
        ]
        if not found:
            return
        try:
            for kind, name in found:
                self.cluster.delete(kind, name)
        except ApiError as error:
            raise EndedError(f"not all of {self.name} could be removed ({error}): run cleanup.sh again") from error
        wait_until_gone(self.session, lambda: self.cluster.names(kinds.OF_CHARTS, selector))
        self.session.removed(f"what was left of {self.name}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
