"""setup.sh and cleanup.sh where only kafka.strimzi.io/v1beta2 is served, as with Strimzi 0.47.

While this runs, Strimzi's definitions serve v1beta2 in addition, with the schemas of Strimzi 0.47 (a Strimzi of 0.49 to
0.51 serves its own). Objects stay stored in v1, which the cluster's operator goes on reading. A proxy before the API
hides v1 from setup.sh, cleanup.sh, kubectl and helm.
"""

import http.client
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

from kubernetes import client

from cluster.commands import ROOT
from cluster.installation import RELEASES, Installation
from kit import inventory
from kit.strimzi import strimzi_versions

GROUP, OLDER = "kafka.strimzi.io", "v1beta2"
KINDS = ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")


def assert_it_is_installed_and_removed_in_v1beta2(installation: Installation, folder: Path) -> None:
    """The apps, their users and topics, beside a Kafka that is there. `folder` is for files."""
    with _both_versions_served(), _newer_version_hidden(folder):
        installation.set_up(with_kafka=False)
        assert f"Strimzi: {GROUP}/{OLDER}" in installation.printed
        for release in RELEASES:
            installation.wait_until_ready(release)
        for plural, names in (("kafkatopics", set(inventory.topics())), ("kafkausers", set(RELEASES))):
            found = {each["metadata"]["name"]: each["metadata"] for each in _objects(installation, plural)}
            assert names <= set(found)
            for name in names:
                (wrote,) = (each for each in found[name]["managedFields"] if each["manager"] == "setup.sh")
                assert wrote["apiVersion"] == f"{GROUP}/{OLDER}", name
        installation.clean_up("--delete-topics")
    assert _objects(installation, "kafkatopics") == []
    assert {each["metadata"]["name"] for each in _objects(installation, "kafkausers")} & set(RELEASES) == set()
    assert installation.helm("list", "--all", "--short").split() == []


def _objects(installation: Installation, plural: str) -> list[Any]:
    api: Any = client.CustomObjectsApi()
    return list(api.list_namespaced_custom_object(GROUP, "v1", installation.namespace, plural)["items"])


@contextmanager
def _both_versions_served() -> Iterator[None]:
    api: Any = client.ApiextensionsV1Api()
    older = strimzi_versions(ROOT / ".local" / "strimzi", OLDER, KINDS)
    added = []
    try:
        for kind in KINDS:
            name = f"{kind.lower()}s.{GROUP}"
            served = [each.name for each in api.read_custom_resource_definition(name).spec.versions]
            if OLDER not in served:
                added.append((name, len(served)))
                version = {**older[kind], "served": True, "storage": False}
                api.patch_custom_resource_definition(
                    name, [{"op": "add", "path": "/spec/versions/-", "value": version}]
                )
        yield
    finally:
        for name, at in added:
            path = f"/spec/versions/{at}"
            test = {"op": "test", "path": f"{path}/name", "value": OLDER}
            api.patch_custom_resource_definition(name, [test, {"op": "remove", "path": path}])


@contextmanager
def _newer_version_hidden(folder: Path) -> Iterator[None]:
    """KUBECONFIG names a proxy before the cluster's API, as long as the block runs."""
    command = ["kubectl", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert port, "kubectl proxy does not start"
            with ThreadingHTTPServer(("127.0.0.1", 0), _Hiding) as server:
                server.api_port = int(port[1])  # type: ignore[attr-defined]
                Thread(target=server.serve_forever, daemon=True).start()
                file = folder / "kubeconfig.json"
                file.write_text(json.dumps(_kubeconfig(server.server_port)))
                with patch.dict(os.environ, {"KUBECONFIG": str(file)}):
                    yield
                server.shutdown()
        finally:
            process.terminate()


def _kubeconfig(port: int) -> dict[str, Any]:
    context = {"cluster": "older", "user": "proxy"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "older",
        "clusters": [{"name": "older", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "older", "context": context}],
        "users": [{"name": "proxy", "user": {}}],
    }


class _Hiding(BaseHTTPRequestHandler):
    """Passes requests on, but knows nothing of v1 of Strimzi's kinds."""

    def handle_request(self) -> None:
        path = self.path.partition("?")[0]
        if f"{path}/".startswith(f"/apis/{GROUP}/v1/"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Connection")}
        discovers = path in ("/api", "/apis", f"/apis/{GROUP}")
        if discovers:
            headers["Accept"] = "application/json"  # one format, and not compressed
            headers.pop("Accept-Encoding", None)
        api = http.client.HTTPConnection("127.0.0.1", self.server.api_port, timeout=300)  # type: ignore[attr-defined]
        api.request(self.command, self.path, body, headers)
        answer = api.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Content-Length", "Transfer-Encoding", "Connection"):
                self.send_header(name, value)
        self.end_headers()
        if discovers:
            self.wfile.write(json.dumps(_without_newer(json.loads(answer.read()))).encode())
        with suppress(ConnectionError):  # a client that has what it wanted
            while chunk := answer.read1(65536):
                self.wfile.write(chunk)
        api.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


def _without_newer(discovered: dict[str, Any]) -> dict[str, Any]:
    """An API group, or a list of all, in which Strimzi's has v1beta2 alone."""
    for group in [discovered, *discovered.get("groups", [])]:
        if group.get("name") == GROUP:
            group["versions"] = [each for each in group["versions"] if each["version"] == OLDER]
            group["preferredVersion"] = group["versions"][0]
    return discovered
