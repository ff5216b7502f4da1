"""The cluster: objects read, made, changed and removed, and what this user may do."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from clickstream_deploy.api import Api
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.kinds import POD, Kind, kind_of
from clickstream_deploy.objects import MAKER, Manifest, at, name_of

ALL_NAMESPACES = "*"

_AT_ONCE = 8
_REVIEW = Kind("SelfSubjectAccessReview", "authorization.k8s.io", namespaced=False)

T = TypeVar("T")
R = TypeVar("R")


class Cluster:
    """The API, in a namespace unless another is named.

    `versions` are the versions of API groups that were found to be served. Methods raise ApiError; those called seen
    return nothing instead, where the kind is unknown or this user may not read it.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.versions: dict[str, str] = {}

    # -- reading

    def get(self, kind: Kind, name: str, namespace: str = "") -> Manifest | None:
        """Return the object, or None when there is none."""
        try:
            found: Manifest = self.api.request("GET", self._path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def seen(self, kind: Kind, name: str, namespace: str = "") -> Manifest | None:
        with suppress(ApiError):
            return self.get(kind, name, namespace)
        return None

    def objects(self, kind: Kind, labels: str = "", *, fields: str = "", namespace: str = "") -> list[Manifest]:
        """Return the objects that have the labels and fields (as in selectors)."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        answer = self.api.request("GET", self._path(kind, namespace), query={k: v for k, v in query.items() if v})
        # In lists, objects come without their kind.
        return [{"kind": kind.name, **each} for each in answer.get("items") or []]

    def seen_objects(self, kind: Kind, labels: str = "", *, fields: str = "", namespace: str = "") -> list[Manifest]:
        with suppress(ApiError):
            return self.objects(kind, labels, fields=fields, namespace=namespace)
        return []

    def names(self, kinds: Sequence[Kind], labels: str = "", namespace: str = "") -> list[str]:
        """Return the seen objects of several kinds, named as kubectl does."""
        found = side_by_side(lambda kind: self.seen_objects(kind, labels, namespace=namespace), kinds)
        return [kind.named(name_of(each)) for kind, items in zip(kinds, found, strict=True) for each in items]

    def log(self, pod: str, namespace: str = "", *, tail: int = 15, **query: str) -> str:
        """Return the end of the logs of all containers of a pod; "" when there is none."""
        spec, text = at(self.seen(POD, pod, namespace), "spec"), ""
        for each in [*(at(spec, "initContainers") or []), *(at(spec, "containers") or [])]:
            asked = {"container": each["name"], "tailLines": str(tail), **query}
            with suppress(ApiError):
                text += self.api.request("GET", f"{self._path(POD, namespace, pod)}/log", query=asked)
        return text

    def groups(self) -> dict[str, list[str]]:
        """Return the versions of the API groups, the preferred one first; the core's group is ""."""
        groups = self.api.request("GET", "/apis").get("groups") or []
        return {"": ["v1"]} | {each["name"]: [one["version"] for one in each["versions"]] for each in groups}

    def serves(self, group: str, version: str) -> list[Kind]:
        """Return the kinds of an API version that can be listed and deleted; nothing when it is not served."""
        try:
            answer = self.api.request("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ApiError:
            return []
        return [
            Kind(each["kind"], group, version, namespaced=bool(each["namespaced"]), served_as=each["name"])
            for each in answer.get("resources") or []
            if "/" not in each["name"] and {"list", "delete"} <= set(each["verbs"])
        ]

    # -- changing

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> None:
        """Create an object that does not exist."""
        self._write("POST", self._path(kind_of(manifest)), self._served(manifest), "json", dry_run)

    def apply(self, manifest: Manifest, *, dry_run: bool = False) -> str:
        """Create the object, or change what differs; return created, configured or unchanged."""
        kind, name = kind_of(manifest), name_of(manifest)
        before = self.get(kind, name)
        path, body = self._path(kind, "", name), self._served(manifest)
        after = self._write("PATCH", path, body, "apply-patch+yaml", dry_run, force="true")
        if before is None:
            return "created"
        version = ("metadata", "resourceVersion")
        return "unchanged" if at(before, *version) == at(after, *version) else "configured"

    def patch(self, kind: Kind, name: str, change: Manifest, namespace: str = "") -> None:
        """Merge a change into an object."""
        self._write("PATCH", self._path(kind, namespace, name), change, "merge-patch+json")

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Delete an object and its dependents; they may take a while to disappear."""
        try:
            self.api.request("DELETE", self._path(kind, namespace, name), body={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise

    def _write(self, method: str, path: str, body: Manifest, content: str, dry_run: bool = False, **query: str) -> Any:
        query |= {"fieldManager": MAKER, **({"dryRun": "All"} if dry_run else {})}
        return self.api.request(method, path, body=body, content=f"application/{content}", query=query)

    # -- rights

    def missing_rights(self, rights: Iterable[str]) -> list[str]:
        """Return the rights that this user lacks. They are asked side by side: a cluster may be far away."""
        wanted = list(dict.fromkeys(rights))
        answers = side_by_side(self._allowed, wanted)
        return [right for right, may in zip(wanted, answers, strict=True) if not may]

    def check_rights(self, what: str, rights: Iterable[str]) -> None:
        """Raises EndedError when this user lacks one of them."""
        missing = self.missing_rights(rights)
        if missing:
            raise EndedError(
                f"to {what} you need rights that you do not have in namespace {self.namespace}: {', '.join(missing)};"
                f" ask the cluster's administrator (kubectl auth can-i --list -n {self.namespace} shows what you have)"
            )

    def _allowed(self, right: str) -> bool:
        """Whether this user may do that in the namespace: "get pods/log", "create kafkas.kafka.strimzi.io"."""
        verb, _, resource = right.partition(" ")
        names, _, group = resource.partition(".")
        plural, _, sub = names.partition("/")
        asked = {"namespace": self.namespace, "verb": verb, "group": group, "resource": plural, "subresource": sub}
        review = {"apiVersion": f"{_REVIEW.group}/v1", "kind": _REVIEW.name, "spec": {"resourceAttributes": asked}}
        return bool(at(self.api.request("POST", self._path(_REVIEW), body=review), "status", "allowed"))

    def _path(self, kind: Kind, namespace: str = "", name: str = "") -> str:
        version = self.versions.get(kind.group, kind.version)
        path = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
        namespace = namespace or self.namespace
        if kind.namespaced and namespace != ALL_NAMESPACES:
            path += f"/namespaces/{namespace}"
        return f"{path}/{kind.plural}/{name}".rstrip("/")

    def _served(self, manifest: Manifest) -> Manifest:
        """Return the manifest in the version that the cluster serves."""
        group = kind_of(manifest).group
        version = self.versions.get(group)
        return {**manifest, "apiVersion": f"{group}/{version}"} if version else manifest


def side_by_side(function: Callable[[T], R], arguments: Sequence[T]) -> list[R]:
    """Return the function's results, with several calls at once."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(function, arguments))


def rights(verbs: str, *kinds: Kind) -> list[str]:
    """Return the rights to do each of these with each kind: rights("get list", KAFKA)."""
    return [f"{verb} {kind}" for verb in verbs.split() for kind in kinds]
