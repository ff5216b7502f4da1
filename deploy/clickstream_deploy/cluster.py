"""The cluster: objects read, made, changed and removed, and what this user may do."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from clickstream_deploy.api import Api
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.resources import NAMESPACE, Manifest, Resource, at, name_of, resource_of

FIELD_MANAGER = "setup.sh"
ALL_NAMESPACES = "*"

_AT_ONCE = 8
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"

T = TypeVar("T")
R = TypeVar("R")


class Cluster:
    """The API, in a namespace unless another is named.

    `versions` are the versions of API groups that were found to be served. Methods raise ApiError.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.versions: dict[str, str] = {}

    # -- reading

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest | None:
        """Return the object, or None when there is none."""
        try:
            found: Manifest = self.api.request("GET", self._path(resource, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def seen(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest | None:
        """Return the object; None also when this user may not read it."""
        try:
            return self.get(resource, name, namespace)
        except ApiError:
            return None

    def objects(
        self, resource: Resource, labels: str = "", *, fields: str = "", namespace: str | None = None
    ) -> list[Manifest]:
        """Return the objects that have the labels and fields (as in selectors)."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        path = self._path(resource, namespace)
        answer = self.api.request("GET", path, query={name: value for name, value in query.items() if value})
        # In lists, objects come without their kind.
        return [{"kind": resource.kind, **each} for each in answer.get("items") or []]

    def seen_objects(
        self, resource: Resource, labels: str = "", *, fields: str = "", namespace: str | None = None
    ) -> list[Manifest]:
        """Like `objects`; nothing where the kind is unknown, or this user may not read it."""
        try:
            return self.objects(resource, labels, fields=fields, namespace=namespace)
        except ApiError:
            return []

    def names(self, resources: Iterable[Resource], labels: str = "", namespace: str | None = None) -> list[str]:
        """Return the visible objects of several kinds, named as kubectl does."""
        kinds = list(resources)
        found = side_by_side(lambda kind: self.seen_objects(kind, labels, namespace=namespace), kinds)
        return [kind.named(name_of(each)) for kind, items in zip(kinds, found, strict=True) for each in items]

    def log(
        self, pod: str, namespace: str | None = None, *, previous: bool = False, tail: int = 15, **query: str
    ) -> str:
        """Return the end of the logs of all containers of a pod; "" when there is none."""
        namespace = namespace or self.namespace
        found = self.seen(Resource("Pod"), pod, namespace)
        containers = [*(at(found, "spec", "initContainers") or []), *(at(found, "spec", "containers") or [])]
        text = ""
        for container in containers:
            asked = {"container": container["name"], "tailLines": str(tail), **query}
            if previous:
                asked["previous"] = "true"
            try:
                text += str(self.api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query=asked))
            except ApiError:
                continue
        return text

    def serves(self, group: str, version: str) -> list[Resource]:
        """Return the kinds of an API version that can be listed and deleted; nothing when it is not served."""
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            answer = self.api.request("GET", path)
        except ApiError:
            return []
        return [
            Resource(each["kind"], group, version, namespaced=bool(each["namespaced"]), served_as=each["name"])
            for each in answer.get("resources") or []
            if "/" not in each["name"] and {"list", "delete"} <= set(each["verbs"])
        ]

    def groups(self) -> list[Manifest]:
        """Return the API groups, each with its versions."""
        found: list[Manifest] = self.api.request("GET", "/apis").get("groups") or []
        return found

    # -- changing

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> None:
        """Create an object that does not exist."""
        path = self._path(resource_of(manifest), at(manifest, "metadata", "namespace"))
        self.api.request("POST", path, query=_query(dry_run), body=self._in_served_version(manifest))

    def apply(self, manifest: Manifest, *, dry_run: bool = False) -> str:
        """Create the object, or change what differs; return created, configured or unchanged."""
        resource = resource_of(manifest)
        path = self._path(resource, None, name_of(manifest))
        before = self.get(resource, name_of(manifest))
        query = {**_query(dry_run), "force": "true"}
        after = self.api.request("PATCH", path, query=query, body=self._in_served_version(manifest), content=_APPLY)
        if before is None:
            return "created"
        same = at(before, "metadata", "resourceVersion") == at(after, "metadata", "resourceVersion")
        return "unchanged" if same else "configured"

    def patch(self, resource: Resource, name: str, change: Manifest, namespace: str | None = None) -> None:
        """Merge a change into an object."""
        self.api.request("PATCH", self._path(resource, namespace, name), query=_query(), body=change, content=_MERGE)

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """Delete an object and its dependents; they may take a while to disappear."""
        try:
            body = {"propagationPolicy": "Background"}
            self.api.request("DELETE", self._path(resource, namespace, name), body=body)
        except ApiError as error:
            if error.status != 404:
                raise

    # -- rights

    def allowed(self, verb: str, resource: str) -> bool:
        """Whether this user may do that in the namespace; resource as in pods/log or kafkas.kafka.strimzi.io."""
        names, _, group = resource.partition(".")
        plural, _, sub = names.partition("/")
        attributes = {
            "namespace": self.namespace, "verb": verb, "group": group, "resource": plural, "subresource": sub,
        }  # fmt: skip
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(at(self.api.request("POST", path, body=body), "status", "allowed"))

    def missing_rights(self, rights: Sequence[tuple[str, object]]) -> list[str]:
        """Return the rights that this user lacks. They are checked in parallel: a cluster may be far away."""
        wanted = list(dict.fromkeys((verb, str(resource)) for verb, resource in rights))
        answers = side_by_side(lambda right: self.allowed(*right), wanted)
        return [f"{verb} {resource}" for (verb, resource), may in zip(wanted, answers, strict=True) if not may]

    def check_rights(self, what: str, rights: Sequence[tuple[str, object]]) -> None:
        """Raises EndedError when this user lacks one of them."""
        missing = self.missing_rights(rights)
        if missing:
            raise EndedError(
                f"to {what} you need rights that you do not have in namespace {self.namespace}: {', '.join(missing)};"
                f" ask the cluster's administrator (kubectl auth can-i --list -n {self.namespace} shows what you have)"
            )

    def _path(self, resource: Resource, namespace: str | None, name: str = "") -> str:
        version = self.versions.get(resource.group, resource.version)
        path = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
        namespace = namespace or self.namespace
        if resource.namespaced and namespace != ALL_NAMESPACES:
            path += f"/namespaces/{namespace}"
        return f"{path}/{resource.plural}/{name}".rstrip("/")

    def _in_served_version(self, manifest: Manifest) -> Manifest:
        resource = resource_of(manifest)
        version = self.versions.get(resource.group)
        return {**manifest, "apiVersion": f"{resource.group}/{version}"} if version else manifest


def namespace_state(cluster: Cluster) -> str:
    """Return there, missing or going; a namespace that this user may not read counts as there."""
    try:
        found = cluster.get(NAMESPACE, cluster.namespace)
    except ApiError:
        return "there"
    if found is None:
        return "missing"
    return "going" if at(found, "metadata", "deletionTimestamp") else "there"


def side_by_side(function: Callable[[T], R], arguments: Sequence[T]) -> list[R]:
    """Return the function's results, with several calls at once."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(function, arguments))


def _query(dry_run: bool = False) -> dict[str, Any]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
