"""The scenarios' releases, with --scenarios: the stream with the page on which people edit scenarios, and the job that
counts the results.
"""

import secrets

from clickstream_core.password_hashes import hash_password
from clickstream_deploy import kinds
from clickstream_deploy.app_release import AppRelease
from clickstream_deploy.apps import App
from clickstream_deploy.cluster import rights
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.stores import Stores
from clickstream_deploy.values import Values

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


def _first_user() -> dict[str, str]:
    password = secrets.token_urlsafe(15)
    return {"users": f"{_USER}:{hash_password(password)}\n", _PASSWORD: password}


_STEPS = """
  # The scenarios: http://localhost:8092 while the first command runs, user {user} with this password; results
  kubectl port-forward service/{name}-admin 8092:8080 -n {namespace}
  kubectl get secret {name}-users -n {namespace} -o jsonpath='{{.data.admin-password}}' | base64 -d
  kubectl logs -f deployment/{name} -n {namespace}
"""
