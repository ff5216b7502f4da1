"""What moto 5.2 lacks of the EKS API: add-ons, access entries, pod identity associations, some members of answers.

A WSGI application in front of moto's. It answers these paths itself and passes all others on. Moto forgets a cluster's
access mode and upgrade policy and a node group's update policy, and gives each node group a key for SSH: the answers
about them are corrected. Every request finishes at
once, and what a request may not do (an unknown cluster, an add-on that is there already) is refused as EKS refuses it.
Requests and answers: Amazon EKS API Reference, 2017-11-01.
"""

import json
import re
import time
import uuid
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT = "123456789012"
_MOTOS = re.compile(r"/clusters(?:/(?P<cluster>[^/]+)(?:/node-groups(?:/(?P<nodegroup>[^/]+))?)?)?(?:/update-config)?")
_FORGOTTEN = ("accessConfig", "upgradePolicy", "updateConfig")
_RULES = [
    ("addon", re.compile(r"/clusters/(?P<cluster>[^/]+)/addons(?:/(?P<key>[^/]+?)(?P<update>/update)?)?")),
    (
        "policy",
        re.compile(r"/clusters/(?P<cluster>[^/]+)/access-entries/(?P<entry>.+)/access-policies(?:/(?P<key>.+))?"),
    ),
    ("entry", re.compile(r"/clusters/(?P<cluster>[^/]+)/access-entries(?:/(?P<key>.+))?")),
    ("association", re.compile(r"/clusters/(?P<cluster>[^/]+)/pod-identity-associations(?:/(?P<key>[^/]+))?")),
    ("update", re.compile(r"/clusters/(?P<cluster>[^/]+)/updates/(?P<key>[^/]+)")),
    ("tags", re.compile(r"/tags/(?P<key>arn:aws:eks:[^:]*:[^:]*:(?:addon|access-entry|podidentityassociation)/.+)")),
]
_BODIES = {
    "addon": ("addon", "addons", "addonName"),
    "entry": ("accessEntry", "accessEntries", "principalArn"),
    "association": ("association", "associations", "associationId"),
    "policy": ("associatedAccessPolicy", "associatedAccessPolicies", "policyArn"),
}
"""How an answer names one of them, how it names a list, and which member identifies one."""

_Answer = tuple[int, dict[str, Any]]


class EksApi:
    """The application; `inner` is moto's."""

    def __init__(self, inner: "WSGIApplication") -> None:
        self._inner = inner
        self._sent: dict[tuple[str, str], dict[str, Any]] = {}
        self._items: dict[tuple[str, ...], dict[str, Any]] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        path = request.path
        if path == "/moto-api/reset":
            self._sent.clear()
            self._items.clear()
        if "/eks/aws4_request" in request.headers.get("Authorization", ""):
            for kind, rule in _RULES:
                if match := rule.fullmatch(path):
                    region = request.headers["Authorization"].split("/")[2]
                    body = request.get_json() if request.data else {}
                    status, found = self._answer(kind, request, match.groupdict(), body, region)
                    response = Response(json.dumps(found), status, content_type="application/json")
                    if status >= 400:
                        response.headers["x-amzn-errortype"] = found["__type"]
                    return response(environ, start_response)
            if match := _MOTOS.fullmatch(path):
                return self._corrected(request, match["cluster"], match["nodegroup"], environ)(environ, start_response)
        return self._inner(environ, start_response)

    def items(self) -> list[str]:
        """What is there, as kind and name."""
        return sorted(f"eks {kind} {' '.join(names)}" for kind, *names in self._items)

    def _corrected(
        self, request: Request, cluster: str | None, nodegroup: str | None, environ: "WSGIEnvironment"
    ) -> Response:
        """Moto's answer about a cluster or a node group, with what it was made with."""
        sent = request.get_json() if request.data else {}
        name = (cluster or sent.get("name", ""), nodegroup or sent.get("nodegroupName", ""))
        environ["wsgi.input"] = _again(request.data)
        body, status, headers = run_wsgi_app(self._inner, environ)
        text = b"".join(body)
        if status.startswith("2"):
            if request.method == "POST":
                remembered = {member: sent[member] for member in _FORGOTTEN if member in sent}
                self._sent[name] = self._sent.get(name, {}) | remembered
            if request.method == "DELETE" and not nodegroup:
                self._items = {place: item for place, item in self._items.items() if place[1] != cluster}
            answer = json.loads(text)
            for member in ("cluster", "nodegroup"):
                if member in answer:
                    answer[member] |= self._sent.get(name, {})
                    answer[member].pop("remoteAccess", None)
            text = json.dumps(answer).encode()
            headers["Content-Length"] = str(len(text))
        return Response(text, status, headers)

    def _answer(
        self, kind: str, request: Request, names: dict[str, str | None], sent: dict[str, Any], region: str
    ) -> _Answer:
        key = names["key"]
        if kind == "update":
            return 200, {"update": {"id": key, "status": "Successful", "type": "AddonUpdate", "errors": []}}
        if kind == "tags":
            return self._tags(request, str(key), sent)
        cluster = str(names["cluster"])
        if not self._is_there(cluster, request):
            return _refusal(404, "ResourceNotFoundException", f"No cluster found for name: {cluster}.")
        parent: tuple[str, ...] = (kind, cluster)
        if kind == "policy":
            entry = str(names["entry"])
            parent = (kind, cluster, entry)
            if ("entry", cluster, entry) not in self._items:
                return _refusal(404, "ResourceNotFoundException", f"No access entry of {entry}.")
        one, many, identifier = _BODIES[kind]
        if key is None and request.method == "GET":
            found = [item for place, item in self._items.items() if place[:-1] == parent]
            return 200, {many: found if kind in ("association", "policy") else [item[identifier] for item in found]}
        if key is None:
            return self._create(kind, parent, sent, region)
        place = (*parent, key)
        if place not in self._items:
            return _refusal(404, "ResourceNotFoundException", f"No {kind} {key} in {cluster}.")
        if request.method == "DELETE":
            return 200, {one: self._items.pop(place)}
        if request.method == "POST":
            unchanged = ("clientRequestToken", "resolveConflicts")
            self._items[place].update({name: value for name, value in sent.items() if name not in unchanged})
            if names.get("update"):
                return 200, {"update": {"id": str(uuid.uuid4()), "status": "InProgress", "type": "AddonUpdate"}}
        return 200, {one: self._items[place]}

    def _create(self, kind: str, parent: tuple[str, ...], sent: dict[str, Any], region: str) -> _Answer:
        one, _, identifier = _BODIES[kind]
        cluster = parent[1]
        key = "a-" + uuid.uuid4().hex[:17] if kind == "association" else sent[identifier]
        taken = [item for place, item in self._items.items() if place[:-1] == parent]
        if any(_same(kind, item, sent) for item in taken):
            return _refusal(409, "ResourceInUseException", f"The {kind} is there already: {key}")
        now, arn = time.time(), f"arn:aws:eks:{region}:{ACCOUNT}"
        item = {name: value for name, value in sent.items() if name not in ("clientRequestToken", "resolveConflicts")}
        item |= {"clusterName": cluster, "createdAt": now, "modifiedAt": now, "tags": sent.get("tags") or {}}
        match kind:
            case "addon":
                item |= {
                    "addonArn": f"{arn}:addon/{cluster}/{key}/{uuid.uuid4()}",
                    "status": "ACTIVE",
                    "health": {"issues": []},
                }
                item.setdefault("addonVersion", "v1.0.0-eksbuild.1")
            case "entry":
                principal = key.partition("::")[2].replace(":", "/")
                item |= {"accessEntryArn": f"{arn}:access-entry/{cluster}/{principal}/{uuid.uuid4()}"}
                item.setdefault("type", "STANDARD")
                item.setdefault("username", key)
                item.setdefault("kubernetesGroups", [])
            case "association":
                item |= {"associationArn": f"{arn}:podidentityassociation/{cluster}/{key}", "associationId": key}
            case "policy":
                item |= {"associatedAt": now}
        self._items[*parent, key] = item
        return 200, {one: item}

    def _tags(self, request: Request, arn: str, sent: dict[str, Any]) -> _Answer:
        arns = ("addonArn", "accessEntryArn", "associationArn")
        for item in self._items.values():
            if arn in (item.get(name) for name in arns):
                if request.method == "POST":
                    item["tags"].update(sent["tags"])
                for name in request.args.getlist("tagKeys") if request.method == "DELETE" else ():
                    item["tags"].pop(name, None)
                return 200, {"tags": item["tags"]}
        return _refusal(404, "NotFoundException", f"No resource {arn}.")

    def _is_there(self, cluster: str, request: Request) -> bool:
        """Whether moto knows the cluster."""
        asked = {**request.environ, "REQUEST_METHOD": "GET", "PATH_INFO": f"/clusters/{cluster}", "CONTENT_LENGTH": "0"}
        asked["wsgi.input"] = _again(b"")
        for name in ("RAW_URI", "REQUEST_URI", "QUERY_STRING"):
            asked[name] = f"/clusters/{cluster}" if name.endswith("URI") else ""
        body, status, _ = run_wsgi_app(self._inner, asked)
        b"".join(body)
        return status.startswith("200")


def _same(kind: str, item: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Whether EKS takes one for the other: an account of a namespace has one association."""
    names = ("namespace", "serviceAccount") if kind == "association" else (_BODIES[kind][2],)
    return all(item[name] == sent[name] for name in names)


def _refusal(status: int, type_: str, message: str) -> _Answer:
    return status, {"__type": type_, "message": message}


def _again(data: bytes) -> BytesIO:
    """A body that can be read once more."""
    return BytesIO(data)
