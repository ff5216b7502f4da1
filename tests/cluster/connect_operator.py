"""A stand-in for the part of Strimzi's operator that serves KafkaConnect and KafkaConnector, where no operator does.

The definitions are Strimzi's own. A KafkaConnect becomes the objects that `connect_workloads` describes; a
KafkaConnector becomes requests to the worker's REST API, through the API server. It does what the tests need of
Strimzi: Ready and its reasons, the connector's status with its tasks' traces, restarts of failed tasks, and removal. It
does not roll pods one by one, build images, or export metrics.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from cluster.connect_workloads import api_service, config_map, deployment, headless_service, service_account
from kit.poll import eventually
from kit.strimzi import strimzi_definitions

_GROUP, _VERSION = "kafka.strimzi.io", "v1"
_LOOK_EVERY_S = 1.0
_log = logging.getLogger(__name__)

Object = dict[str, Any]


@contextlib.contextmanager
def connect_operator(namespace: str, cache: Path) -> Iterator[None]:
    """Serve the namespace's KafkaConnects while the block runs, unless the cluster's Strimzi does; `cache` keeps the
    definitions."""
    extensions: Any = client.ApiextensionsV1Api()
    there = {each.metadata.name for each in extensions.list_custom_resource_definition().items}
    if "kafkaconnects.kafka.strimzi.io" in there:
        yield
        return
    made = strimzi_definitions(cache, _VERSION, ("KafkaConnect", "KafkaConnector")).values()
    try:
        for each in made:
            extensions.create_custom_resource_definition(each)
        operator = _Operator(namespace)
        eventually(operator.is_served, 60)
        with operator.running():
            yield
    finally:
        for each in made:
            with contextlib.suppress(ApiException):
                extensions.delete_custom_resource_definition(each["metadata"]["name"])


class _Operator:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._custom: Any = client.CustomObjectsApi()
        self._core: Any = client.CoreV1Api()
        self._apps: Any = client.AppsV1Api()
        self._api: Any = client.ApiClient()
        self._stopping = threading.Event()

    def is_served(self) -> bool:
        """Whether the API server serves both kinds by now."""
        try:
            return self._list("kafkaconnects") == [] and self._list("kafkaconnectors") == []
        except ApiException:
            return False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Reconcile in a thread while the block runs."""
        thread = threading.Thread(target=self._run, name="connect-operator", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                for each in self._list("kafkaconnects"):
                    self._reconcile(each)
            except (ApiException, HTTPError) as error:
                # Something was not there yet, or changed in between; the next pass sees it.
                _log.info("this pass failed: %s", str(error).replace("\n", " "))

    def _list(self, plural: str) -> list[Object]:
        found = self._custom.list_namespaced_custom_object(_GROUP, _VERSION, self._namespace, plural)
        return list(found["items"])

    # -- KafkaConnect

    def _reconcile(self, connect: Object) -> None:
        name = connect["metadata"]["name"]
        for make, body in (
            (self._core.create_namespaced_service_account, service_account(connect)),
            (self._core.create_namespaced_service, api_service(connect)),
            (self._core.create_namespaced_service, headless_service(connect)),
        ):
            _unless_there(make, self._namespace, body)
        self._replace_changed(config_map(connect), self._core, "config_map")
        self._replace_changed(deployment(connect), self._apps, "deployment")
        wanted, ready = connect["spec"]["replicas"], self._ready_pods(name)
        if ready < wanted:
            self._say(connect, "kafkaconnects", _not_ready("Creation", f"{ready} of {wanted} pods are Ready"))
            return
        url = f"http://{name}-connect-api.{self._namespace}.svc:8083"
        self._say(connect, "kafkaconnects", [_condition("Ready")], url=url, replicas=ready)
        self._reconcile_connectors(name)

    def _replace_changed(self, wanted: Object, api: Any, kind: str) -> None:
        """Make the object, or replace it when it was made of something else, which its annotation shows."""
        digest = str(hash(json.dumps(wanted, sort_keys=True)))
        wanted["metadata"]["annotations"] = {"clickstream-test/made-of": digest}
        name = wanted["metadata"]["name"]
        try:
            found = getattr(api, f"read_namespaced_{kind}")(name, self._namespace)
        except ApiException as error:
            if error.status != 404:
                raise
            getattr(api, f"create_namespaced_{kind}")(self._namespace, wanted)
            return
        if (found.metadata.annotations or {}).get("clickstream-test/made-of") != digest:
            getattr(api, f"replace_namespaced_{kind}")(name, self._namespace, wanted)

    def _ready_pods(self, name: str) -> int:
        found = self._apps.read_namespaced_deployment(f"{name}-connect", self._namespace)
        if found.status.observed_generation != found.metadata.generation:
            return 0
        updated, ready = found.status.updated_replicas or 0, found.status.ready_replicas or 0
        return min(updated, ready) if found.status.replicas == updated else 0

    # -- KafkaConnector

    def _reconcile_connectors(self, connect: str) -> None:
        wanted = {
            each["metadata"]["name"]: each
            for each in self._list("kafkaconnectors")
            if each["metadata"].get("labels", {}).get("strimzi.io/cluster") == connect
        }
        for name in self._rest(connect, "GET", "connectors"):
            if name not in wanted:
                self._rest(connect, "DELETE", f"connectors/{name}")
        for name, connector in wanted.items():
            spec = connector["spec"]
            config = {key: str(value) for key, value in spec["config"].items()}
            config |= {"name": name, "connector.class": spec["class"], "tasks.max": str(spec.get("tasksMax", 1))}
            try:
                if self._rest(connect, "GET", f"connectors/{name}/config", missing={}) != config:
                    self._rest(connect, "PUT", f"connectors/{name}/config", config)
                status = self._rest(connect, "GET", f"connectors/{name}/status", missing={"tasks": []})
            except ApiException as error:
                self._say(connector, "kafkaconnectors", _not_ready("ConnectRestException", _message(error)))
                continue
            self._report(connect, connector, status)

    def _report(self, connect: str, connector: Object, status: Object) -> None:
        failed = [each["id"] for each in status["tasks"] if each["state"] == "FAILED"]
        if failed:
            restarts = connector.get("status", {}).get("autoRestart", {}).get("count", 0)
            if connector["spec"].get("autoRestart", {}).get("enabled") and restarts < 1:
                for task in failed:
                    self._rest(connect, "POST", f"connectors/{connector['metadata']['name']}/tasks/{task}/restart")
                restarts += 1
            numbers = ", ".join(map(str, failed))
            message = f"The following tasks have failed: {numbers}, see connectorStatus for more details."
            conditions = _not_ready("Throwable", message)
            self._say(connector, "kafkaconnectors", conditions, connectorStatus=status, autoRestart={"count": restarts})
        elif status["tasks"]:
            self._say(connector, "kafkaconnectors", [_condition("Ready")], connectorStatus=status)

    def _rest(self, connect: str, method: str, path: str, body: object = None, missing: Any = None) -> Any:
        """A request to the workers' REST API; `missing` is the answer to 404, without which it is an error."""
        service = f"/api/v1/namespaces/{self._namespace}/services/{connect}-connect-api:8083/proxy/{path}"
        kinds = {"Content-Type": "application/json", "Accept": "application/json"}
        request = self._api.param_serialize(
            method, service, header_params=kinds, body=body, auth_settings=["BearerToken"]
        )
        answer = self._api.call_api(*request, _request_timeout=30)
        text = (answer.read() or b"").decode()
        if answer.status == 404 and missing is not None:
            return missing
        if answer.status >= 400:
            raise ApiException(status=answer.status, reason=text)
        return json.loads(text) if text else None

    # -- status

    def _say(self, resource: Object, plural: str, conditions: list[Object], **status: object) -> None:
        """Write the status if it is news, however old its time."""
        wanted = {
            "conditions": conditions,
            "observedGeneration": resource["metadata"]["generation"],
            **status,
        }
        if _without_times(resource.get("status", {})) == _without_times(wanted):
            return
        with contextlib.suppress(ApiException):  # removed in between
            self._custom.patch_namespaced_custom_object_status(
                _GROUP, _VERSION, self._namespace, plural, resource["metadata"]["name"], {"status": wanted}
            )


def _unless_there(make: Any, namespace: str, body: Object) -> None:
    try:
        make(namespace, body)
    except ApiException as error:
        if error.status != 409:
            raise


def _condition(kind: str, **more: str) -> Object:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": kind, "status": "True", "lastTransitionTime": now, **more}


def _not_ready(reason: str, message: str) -> list[Object]:
    return [_condition("NotReady", reason=reason, message=message)]


def _without_times(status: Object) -> Object:
    conditions = [
        {key: value for key, value in each.items() if key != "lastTransitionTime"}
        for each in status.get("conditions", [])
    ]
    return {**status, "conditions": conditions}


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(str(error.reason))["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
