"""As much of a Kubernetes API server as Helm's `lookup` asks for: discovery, and objects by name."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

_RESOURCES = {"v1": {"Secret": "secrets"}, "apps/v1": {"Deployment": "deployments"}}


@contextmanager
def kube_api(objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Serve the objects, which have a namespace each, and return the server's address."""
    pages: dict[str, object] = {}
    for version, kinds in _RESOURCES.items():
        resources = [{"name": plural, "kind": kind, "namespaced": True} for kind, plural in kinds.items()]
        pages[_root(version)] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    for each in objects:
        plural = _RESOURCES[each["apiVersion"]][each["kind"]]
        metadata = each["metadata"]
        pages[f"{_root(each['apiVersion'])}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"] = each

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.split("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(missing if page is None else page).encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
