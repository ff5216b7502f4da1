"""The Helm releases: one after the other, each until its pods are Ready; removed in the opposite order."""

import base64
import secrets
from collections.abc import Mapping

import yaml

from clickstream_deploy.apps import APPS, COLLECTOR, MONITORING, MONITORING_APP, PROCESSOR, RELEASES, ROOT, App
from clickstream_deploy.cluster import side_by_side
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.explanations import joined, pods, replica_set
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.pods import APP, Watch
from clickstream_deploy.progress import indented
from clickstream_deploy.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    NODE,
    POD,
    RULE,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    TOPIC,
    Manifest,
    Resource,
    at,
    name_of,
    resource_of,
)
from clickstream_deploy.session import Session
from clickstream_deploy.values import ReleaseValues, connection_values, node_values
from clickstream_deploy.waiting import wait_for_helm, wait_until_gone

_PART = "app.kubernetes.io/part-of"
_INSTANCE = "app.kubernetes.io/instance"
_ALL_STATES = ("--deployed", "--failed", "--pending", "--superseded", "--uninstalling", "--uninstalled")
_KINDS = (
    DEPLOYMENT,
    Resource("Job", "batch"),
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    SECRET,
    Resource("PodDisruptionBudget", "policy"),
    Resource("NetworkPolicy", "networking.k8s.io"),
    Resource("Ingress", "networking.k8s.io"),
    Resource("HorizontalPodAutoscaler", "autoscaling", "v2"),
)
_DECISIVE = ("WINDOW_SIZE", "WINDOW_TIME", "MAX_CLOCK_SKEW")
"""The settings of the processor that decide what is counted where."""


class Releases(Component):
    """The releases of the chosen apps and of the monitoring."""

    def __init__(self, session: Session, kafka: KafkaCluster) -> None:
        super().__init__(session)
        self._kafka = kafka
        self._helm = session.helm
        self._apps = [app for app in APPS if not app.option or app.option in self.options.parts]
        self._values = ReleaseValues(session)
        self._rendered: dict[str, list[Manifest]] = {}

    # -- setup.sh

    def check(self) -> None:
        """See Component."""
        self._choose_monitoring()
        self._choose_nodes()
        rendered = side_by_side(self._render, self._apps)
        self._rendered = {app.release: each for app, each in zip(self._apps, rendered, strict=True)}
        kinds = sorted({str(resource_of(each)) for manifests in rendered for each in manifests})
        # Helm keeps its records in Secrets, and makes what the charts hold.
        rights = [("get", str(TOPIC)), ("create", str(TOPIC))]
        rights += [(verb, str(SECRET)) for verb in ("list", "create", "update")]
        rights += [("list", "pods"), ("get", "pods/log"), ("list", "events")]
        rights += [(verb, kind) for kind in kinds for verb in ("create", "patch")]
        self.cluster.check_rights("install Clickstream", rights)
        self._check_pending()

    def processor_environment(self) -> Mapping[str, str]:
        """Return its container's environment, as the chart renders it from all values; the last of a name wins."""
        for each in self._rendered.get(PROCESSOR, ()):
            if each["kind"] == "Deployment":
                return _environment(each)
        return {}

    def install(self) -> None:
        """See Component."""
        connection = self._kafka.connection
        if connection is not None:
            self._values.for_apps |= connection_values(connection, self.session.kafka)
        self._choose_strategy()
        self._create_visitor_secret()
        for app in self._apps:
            if not self.options.dry_run:
                self._install(app)
            elif not self._kafka.found:
                self.progress.say(f"Would install {app.release}")
            else:
                self._try(app)
        self._keep_others()

    def _choose_monitoring(self) -> None:
        """Dashboard and rules come when they are asked for, or when the Prometheus operator is there and this user may
        create both; without the operator the dashboard alone."""
        served = any(each.kind == RULE.kind for each in self.cluster.serves(RULE.group, RULE.version))
        rights = [(verb, each) for each in (RULE, CONFIG_MAP) for verb in ("create", "patch")]
        rules = served and not self.cluster.missing_rights(rights)
        if self.options.monitoring or rules:
            self._apps.append(MONITORING_APP)
            self._values.found[MONITORING] = {"rules": {"enabled": rules}}
            if not rules:
                self.progress.say(
                    f"No alert rules: the Prometheus operator is not installed, or you may not create {RULE}"
                )
        elif any(each.release == MONITORING for each in self.options.values):
            raise EndedError(
                f"--values={MONITORING}=...: without the Prometheus operator this release is installed with"
                " --monitoring, which is missing"
            )

    def _choose_nodes(self) -> None:
        """A user who may not read nodes gives --platform where they are mixed."""
        labels = [at(each, "metadata", "labels", "kubernetes.io/arch") for each in self.cluster.seen_objects(NODE)]
        architectures = sorted({str(each) for each in labels if each})
        chosen = node_values(architectures, self.options.platform)
        self._values.for_apps |= chosen
        if chosen and not self.options.platform:
            self.progress.say(
                f"Nodes are {' and '.join(architectures)}: the apps run on amd64 (--platform names another, or any)"
            )

    def _render(self, app: App) -> list[Manifest]:
        """Render the chart. Raises EndedError when it is incomplete or refuses the values."""
        completed = self._helm.complete(app.chart)
        if completed.status != 0:
            reason = _last_line(completed.error or completed.output)
            raise EndedError(f"chart {app.chart} can't be completed ({reason}): is the folder writable?")
        version = ["--kube-version", self.session.kubernetes] if self.session.kubernetes else []
        arguments = ["template", app.release, str(app.chart), *self._values.arguments(app), *version, "--no-hooks"]
        done = self._helm.run(self.session.namespace, *arguments)
        if done.status == 0:
            return [each for each in yaml.safe_load_all(done.output) if each]
        if "requires kubeVersion" in done.error:
            raise EndedError(f"this cluster's Kubernetes is too old for {app.release} ({_last_line(done.error)})")
        folder = app.chart.relative_to(ROOT)
        raise EndedError(
            f"the values for {app.release} are refused: see above ({folder}/values.yaml explains them)",
            explanation=indented(done.error),
        )

    def _check_pending(self) -> None:
        """Raises EndedError when helm was killed during a release, or is running elsewhere."""
        namespace = self.session.namespace
        names = [app.release for app in self._apps]
        for release, status in zip(
            names, side_by_side(lambda each: self._helm.status(namespace, each), names), strict=True
        ):
            if status in ("pending-install", "uninstalling"):
                raise EndedError(
                    f"release {release} is {status}: another setup.sh or cleanup.sh is at work, or one was killed; if"
                    f" so, run helm uninstall {release} -n {namespace} first"
                )
            if status.startswith("pending-"):
                raise EndedError(
                    f"release {release} is {status}: another setup.sh is at work, or one was killed; if so, run helm"
                    f" rollback {release} -n {namespace} first"
                )

    def _choose_strategy(self) -> None:
        """Replace the processor's pods one by one if the settings that decide what is counted where stay the same;
        otherwise the old ones end first, which is the chart's default."""
        running = _environment(self.cluster.seen(DEPLOYMENT, PROCESSOR))
        wanted = self.processor_environment()
        if all(wanted.get(each, "") == running.get(each, "") for each in _DECISIVE):
            self._values.found[PROCESSOR] = {"strategy": "RollingUpdate"}

    def _create_visitor_secret(self) -> None:
        """The salt of visitors' ids, if it is missing; an existing one is never changed."""
        name = f"{COLLECTOR}-visitors"
        # Values may name another Secret.
        if not any(_mounts(each, name) for each in self._rendered.get(COLLECTOR, ())):
            return
        if self.cluster.objects(SECRET, fields=f"metadata.name={name}"):
            return
        if self.options.dry_run:
            self.progress.say(f"Would create the secret {name}")
            return
        salt = base64.b64encode(secrets.token_hex(32).encode()).decode()
        labels = {_INSTANCE: COLLECTOR, _PART: "clickstream"}
        metadata = {"name": name, "labels": labels}
        self.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"secret": salt}})
        self.progress.say(f"Secret {name} created")

    def _install(self, app: App) -> None:
        """Helm waits while we watch its pods, because some troubles do not pass."""
        namespace, release = self.session.namespace, app.release
        began = self.session.clock.elapsed()
        helm = self._helm.start(
            namespace, "upgrade", "--install", release, str(app.chart), *self._values.arguments(app),
            "--wait", "--timeout", f"{self.options.timeout_s}s",
        )  # fmt: skip
        connection = self._kafka.connection
        address = connection.bootstrap_servers if connection else ""
        watch = Watch(self.session, APP, f"{_INSTANCE}={release}", kafka=address)
        done = wait_for_helm(self.session, helm, watch, release, "its pods are being made")
        if done is None:
            raise EndedError(
                f"{release} does not come up: see above, then run setup.sh again{self._way_back(release)}",
                explanation=watch.explanation(),
            )
        if done.status != 0:
            lines = [
                indented(done.output.replace("Error: ", "", 1)),
                pods(self.session, namespace, f"{_INSTANCE}={release}"),
                replica_set(self.session, release),
            ]
            seconds = int(self.session.clock.elapsed() - began)
            raise EndedError(
                f"{release} is not Ready after {seconds}s: see above; setup.sh can be run again"
                + self._way_back(release),
                explanation=joined(lines),
            )
        self.progress.say(f"{release} is Ready")

    def _try(self, app: App) -> None:
        arguments = ["upgrade", "--install", "--dry-run=server", app.release, str(app.chart)]
        done = self._helm.run(self.session.namespace, *arguments, *self._values.arguments(app))
        if done.status != 0:
            raise EndedError(f"{app.release} could not be installed: see above", explanation=indented(done.error))
        there = self._helm.status(self.session.namespace, app.release)
        self.progress.say(f"Would {'upgrade' if there else 'install'} {app.release}")

    def _way_back(self, release: str) -> str:
        """Return how to roll back a failed upgrade, for its message."""
        revision = self._helm.revision(self.session.namespace, release)
        if not revision:
            return ""
        return f"; what ran before comes back with helm rollback {release} {revision} -n {self.session.namespace}"

    def _keep_others(self) -> None:
        """Keep releases whose option was not given: they are neither removed nor changed."""
        for app in (*APPS, MONITORING_APP):
            if app not in self._apps and self._helm.status(self.session.namespace, app.release):
                self.progress.say(f"{app.release} is there and stays as it is (with --{app.option} it is updated too)")

    def next_steps(self) -> str:
        """See Component."""
        namespace = self.session.namespace
        text = f"""\
Clickstream runs in namespace {namespace}. What to look at next:

  # The dashboard, once the first window is over; the simulated users; the processor
  kubectl logs -f deployment/clickstream-consumer -n {namespace}
  kubectl logs -f deployment/clickstream-producer -n {namespace}
  kubectl logs -f deployment/clickstream-streams-processor -n {namespace}

  kubectl get pods -n {namespace} | grep clickstream
  kubectl get kafkatopic -n {namespace} | grep clickstream

  # More throughput: up to as many processors as clickstream-events has partitions
  kubectl scale deployment clickstream-streams-processor -n {namespace} --replicas=3
"""
        if any(app.release == COLLECTOR for app in self._apps):
            text += f"""
  # The collector: an event of your own, while the first command runs; and the line for your pages
  kubectl port-forward service/{COLLECTOR} 8090:8080 -n {namespace}
  curl -H 'Content-Type: application/json' -d '{{"path": "/hello"}}' http://localhost:8090/ingest
  helm get notes {COLLECTOR} -n {namespace}
"""
        return text

    # -- cleanup.sh

    def removal_rights(self) -> list[tuple[str, object]]:
        """See Component."""
        return [("list", SECRET), ("delete", SECRET), ("delete", DEPLOYMENT)]

    def remove(self) -> None:
        """Remove the releases and wait for their pods to go: senders first, so that the others finish their work."""
        namespace, timeout = self.session.namespace, f"{self.options.timeout_s}s"
        listed = self._helm.run(namespace, "list", *_ALL_STATES, "--short")
        if listed.status != 0:
            raise EndedError("helm can't list the releases: see above", explanation=indented(listed.error))
        # The alerts first, which would fire about the rest.
        for release in (MONITORING, *reversed(RELEASES)):
            if release in listed.output.split():
                arguments = ["uninstall", release, "--wait", "--cascade", "foreground", "--timeout", timeout]
                done = None if self.options.dry_run else self._helm.run(namespace, *arguments)
                if done is not None and done.status != 0:
                    raise EndedError(
                        f"{release} could not be removed (see above): run cleanup.sh again",
                        explanation=indented(done.error),
                    )
                self.session.removed(f"release {release}")
            if not self.options.dry_run:
                self._remove_rest(release)

    def _remove_rest(self, release: str) -> None:
        """Remove what helm no longer knows or leaves behind: the pods of helm test, and the secret of the
        collector's visitors."""
        selector = f"{_INSTANCE}={release},{_PART}=clickstream"
        found = [(kind, name_of(each)) for kind in _KINDS for each in self.cluster.seen_objects(kind, selector)]
        if not found:
            return
        try:
            for kind, name in found:
                self.cluster.delete(kind, name)
        except ApiError as error:
            raise EndedError(f"not all of {release} could be removed ({error}): run cleanup.sh again") from error
        wait_until_gone(self.session, lambda: self.cluster.names(_KINDS, selector))
        self.session.removed(f"what was left of {release}")


def _environment(deployment: Manifest | None) -> dict[str, str]:
    """Return the environment of its first container; the last of a name wins."""
    found = at(deployment, "spec", "template", "spec", "containers", 0, "env") or []
    return {each["name"]: str(each["value"]) for each in found if "value" in each}


def _mounts(manifest: Manifest, secret: str) -> bool:
    volumes = at(manifest, "spec", "template", "spec", "volumes") or []
    return any(at(each, "secret", "secretName") == secret for each in volumes)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
