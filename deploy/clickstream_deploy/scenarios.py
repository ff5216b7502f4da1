"""The scenarios' releases, with --scenarios: the stream with the page on which people edit scenarios, and the job that
counts the results.
"""

import secrets

from clickstream_core.password_hashes import hash_password
from clickstream_deploy import kinds
from clickstream_deploy.app_release import AppRelease
from clickstream_deploy.apps import App
from clickstream_deploy.archive import Archive
from clickstream_deploy.archive_place import results_of
from clickstream_deploy.cluster import rights
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.objects import Manifest, at
from clickstream_deploy.stores import Stores
from clickstream_deploy.values import Values
from clickstream_deploy.waiting import wait_until_gone

ARCHIVE_OPTION = "archive"

_USER = "admin"
_PASSWORD = "admin-password"
"""The key of the first user's password, which setup.sh makes up."""


class Scenarios(AppRelease):
    """The stream and the page. Its tables are made by a hook of the chart, before its pods are."""

    def __init__(self, stores: Stores, kafka: KafkaCluster, nodes: Nodes, app: App) -> None:
        super().__init__(stores.session, kafka, nodes, app)
        self._stores = stores

    def rights(self) -> list[str]:
        """Those for the hook too, which the rendered chart is without."""
        hook = rights("get list watch create delete", kinds.JOB) + rights("create delete", kinds.NETWORK_POLICY)
        return [*super().rights(), *hook] if self.is_wanted else []

    def _found(self) -> list[Values | str]:
        first, *others = super()._found()
        return [first, self._stores.values(), *others]

    def _prepare(self) -> None:
        """The page's users and the key of its sessions, if they are missing and no values name others."""
        self._keep_secret(f"{self.name}-users", _first_user)
        self._keep_secret(f"{self.name}-session", lambda: {"key": secrets.token_hex(32)})

    def next_steps(self) -> str:
        return _STEPS.format(name=self.name, namespace=self.namespace, user=_USER) if self.is_wanted else ""


class Statistics(AppRelease):
    """The job. With --archive its Parquet goes to the archive's storage, else to a volume, which outlives the release
    unless cleanup.sh --delete-stores is asked for it too."""

    def __init__(self, stores: Stores, archive: Archive, kafka: KafkaCluster, nodes: Nodes, app: App) -> None:
        super().__init__(stores.session, kafka, nodes, app)
        self._stores = stores
        self._archive = archive

    def check(self) -> None:
        """Raises EndedError when the job would begin again in another place."""
        super().check()
        if not self.is_wanted:
            return
        running, wanted = self._place(self.cluster.seen(kinds.DEPLOYMENT, self.name)), ""
        for each in self.rendered:
            wanted = self._place(each) if each["kind"] == kinds.DEPLOYMENT.name else wanted
        if running and wanted and running != wanted:
            raise EndedError(
                f"{self.name} writes its results to {running}, and not to {wanted}, where it would begin again: use the"
                f" options and values of the last time, or remove it first with helm uninstall {self.name} -n"
                f" {self.namespace}"
            )

    def _found(self) -> list[Values | str]:
        first, *others = super()._found()
        redis = {"redis": self._stores.values()["redis"]}
        place = results_of(self._archive.place) if ARCHIVE_OPTION in self.options.parts else {}
        return [first, {**redis, **place}, *others]

    def removal_rights(self) -> list[str]:
        claim = rights("delete", kinds.CLAIM) if self.options.delete_stores else []
        return [*super().removal_rights(), *claim]

    def _remove_rest(self) -> None:
        super()._remove_rest()
        if not self.cluster.seen(kinds.CLAIM, self.name):
            return
        if not self.options.delete_stores:
            self.say(f"Kept: volume {self.name}, with the scenarios' results")
            self.detail(f"./cleanup.sh{self.options.place()} --delete-stores removes it")
            return
        self.cluster.delete(kinds.CLAIM, self.name)
        wait_until_gone(
            self.session,
            lambda: [kinds.CLAIM.named(self.name)] if self.cluster.seen(kinds.CLAIM, self.name) else [],
        )
        self.session.removed(f"volume {self.name}, with the scenarios' results")

    @staticmethod
    def _place(deployment: Manifest | None) -> str:
        environment = at(deployment, "spec", "template", "spec", "containers", 0, "env") or []
        return next((str(each.get("value")) for each in environment if each["name"] == "RESULTS_TO"), "")


def _first_user() -> dict[str, str]:
    password = secrets.token_urlsafe(15)
    return {"users": f"{_USER}:{hash_password(password)}\n", _PASSWORD: password}


_STEPS = """
  # The scenarios: http://localhost:8092 while the first command runs, user {user} with this password; results
  kubectl port-forward service/{name}-admin 8092:8080 -n {namespace}
  kubectl get secret {name}-users -n {namespace} -o jsonpath='{{.data.admin-password}}' | base64 -d
  kubectl logs -f deployment/{name} -n {namespace}
"""
