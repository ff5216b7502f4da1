"""The scenarios' stores, a database and Redis: those that Secrets name, or with --with-stores dev one MariaDB and one
Valkey in the cluster. cleanup.sh removes these two; their volumes and Secrets stay unless it is asked to delete them.
"""

import base64
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from clickstream_deploy import kinds
from clickstream_deploy.cluster import rights
from clickstream_deploy.component import Component
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kinds import CLAIM, SECRET, STATEFUL_SET, kind_of
from clickstream_deploy.objects import INSTANCE, MADE_BY, PART, Manifest, at, marked, name_of
from clickstream_deploy.session import Session
from clickstream_deploy.store_secret import DATABASE, REDIS, Store
from clickstream_deploy.waiting import wait_for_pods, wait_until_gone

SCENARIOS = "scenarios"
"""The option."""
MARIADB, VALKEY = "clickstream-mariadb", "clickstream-valkey"
_FOLDER = "scenarios/dev/stores"
_INSTANCE = "clickstream-stores"
_OURS = f"{MADE_BY},{INSTANCE}={_INSTANCE},{PART}=clickstream"
_MADE = (STATEFUL_SET, kinds.SERVICE, kinds.NETWORK_POLICY)
_CLAIMS = {MARIADB: f"data-{MARIADB}-0", VALKEY: f"data-{VALKEY}-0"}


class Stores(Component):
    """MariaDB and Valkey in the cluster, or a look at the Secrets of others."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._wanted = SCENARIOS in self.options.parts
        self._there: list[str] = []
        dev = bool(self.options.with_stores)
        self._database = Store(DATABASE, MARIADB if dev else self.options.database_secret)
        self._redis = Store(REDIS, VALKEY if dev else self.options.redis_secret)

    # -- setup.sh

    def check(self) -> None:
        """Raises EndedError when a Secret lacks something, or a volume has lost its password."""
        if not self._wanted:
            return
        if self.options.with_stores:
            self._check_volumes()
            return
        self._database, self._redis = self._looked_at(self._database), self._looked_at(self._redis)

    def rights(self) -> list[str]:
        made = self._wanted and self.options.with_stores
        return rights("get create patch", *_MADE, SECRET) if made else []

    def install(self) -> None:
        """Create what differs in the cluster, and wait for the pods."""
        if not self._wanted or not self.options.with_stores:
            return
        for name, make in ((MARIADB, _database_secret), (VALKEY, _redis_secret)):
            self._create_secret(name, make)
        for each in self.manifests(_FOLDER):
            done = self.cluster.apply(_marked(each), dry_run=self.options.dry_run)
            if done != "unchanged" and not self.options.dry_run:
                self.detail(f"{kind_of(each).named(name_of(each))} {done}")
        if self.options.dry_run:
            self.say(f"Would create or update {MARIADB} and {VALKEY}, for trying out, as in strimzi/{_FOLDER}")
            return
        for name in (MARIADB, VALKEY):
            wait_for_pods(self.session, name, f"app.kubernetes.io/name={name}")
        self.say(f"{MARIADB} and {VALKEY} are Ready: for trying out, with no copies and no backups")

    def values(self) -> dict[str, Any]:
        """Return the values of the scenarios' charts that name the stores."""
        return {each.kind.value: each.values() for each in (self._database, self._redis)}

    def _looked_at(self, store: Store) -> Store:
        """Return the store with its Secret's data. A Secret that can't be read is left to the pods."""
        if self.cluster.missing_rights(rights("list", SECRET)):
            return store
        found = self.cluster.seen_objects(SECRET, fields=f"metadata.name={store.secret}")
        read = replace(store, data=(at(found[0], "data") or {}) if found else {})
        problem = read.problem() if found else "does not exist"
        if problem:
            literals = f"--from-literal=url={store.kind.example}"
            literals += " --from-literal=password=..." if store.kind.needs_password else ""
            raise EndedError(
                f"{store.kind.option}={store.secret}: Secret {store.secret} in namespace {self.namespace} {problem}:"
                f" kubectl create secret generic {store.secret} -n {self.namespace} {literals}"
            )
        return read

    def _check_volumes(self) -> None:
        """A new password would not open what is in the volume of an earlier installation."""
        claim = _CLAIMS[MARIADB]
        if self.cluster.seen(CLAIM, claim) and not self._secret_is_there(MARIADB):
            raise EndedError(
                f"volume {claim} holds the scenarios of an earlier installation, whose Secret {MARIADB} with the"
                f" password is gone: remove it with kubectl delete pvc {claim} -n {self.namespace}"
            )

    def _secret_is_there(self, name: str) -> bool:
        """A user who may not look is told by the pods."""
        may_look = not self.cluster.missing_rights(rights("list", SECRET))
        return not may_look or bool(self.cluster.seen_objects(SECRET, fields=f"metadata.name={name}"))

    def _create_secret(self, name: str, make: Callable[[], dict[str, str]]) -> None:
        """A password is never changed: the volume has it."""
        if self.cluster.objects(SECRET, fields=f"metadata.name={name}"):
            return
        if self.options.dry_run:
            self.say(f"Would create the secret {name}")
            return
        data = {key: base64.b64encode(text.encode()).decode() for key, text in make().items()}
        self.cluster.create(_marked({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}))
        self.say(f"Secret {name} created")

    # -- cleanup.sh

    def look(self) -> None:
        self._there = self.cluster.names(_MADE, _OURS)

    def removal_rights(self) -> list[str]:
        data = (SECRET, CLAIM) if self.options.delete_stores else ()
        return rights("list delete", *(_MADE if self._there else ()), *data)

    def remove(self) -> None:
        """Remove both; their volumes and passwords only when asked."""
        if self._there and not self.options.dry_run:
            for kind in _MADE:
                for each in self.cluster.seen_objects(kind, _OURS):
                    self.cluster.delete(kind, name_of(each))
            wait_until_gone(self.session, lambda: self.cluster.names(_MADE, _OURS))
            wait_until_gone(self.session, self._pods)
        if self._there:
            self.session.removed(f"the scenarios' stores ({', '.join(self._there)})")
        self._remove_data()

    def _pods(self) -> list[str]:
        found = (f"app.kubernetes.io/name={name}" for name in (MARIADB, VALKEY))
        return [each for selector in found for each in self.cluster.names([kinds.POD], selector)]

    def _remove_data(self) -> None:
        claims = [each for each in _CLAIMS.values() if self.cluster.seen(CLAIM, each)]
        passwords = [name_of(each) for each in self.cluster.seen_objects(SECRET, _OURS)]
        if not claims and not passwords:
            return
        of_volumes = f"volumes {' '.join(claims)}, with scenarios, members and statistics"
        what = of_volumes if claims else "the passwords of the scenarios' stores"
        if not self.options.delete_stores:
            self.say(f"Kept: {what}")
            self.detail(f"./cleanup.sh{self.options.place()} --delete-stores removes them")
            return
        if not self.options.dry_run:
            for each in claims:
                self.cluster.delete(CLAIM, each)
            for each in passwords:
                self.cluster.delete(SECRET, each)
            wait_until_gone(
                self.session, lambda: [CLAIM.named(each) for each in claims if self.cluster.seen(CLAIM, each)]
            )
        self.session.removed(what)


def _marked(manifest: Manifest) -> Manifest:
    found = marked(manifest, _INSTANCE)
    found["metadata"]["labels"][PART] = "clickstream"
    return found


def _database_secret() -> dict[str, str]:
    return {"url": f"mariadb://clickstream@{MARIADB}:3306/clickstream", "password": secrets.token_hex(24)}


def _redis_secret() -> dict[str, str]:
    password = secrets.token_hex(24)
    return {"url": f"redis://{VALKEY}:6379/0", "password": password, "valkey.conf": f"requirepass {password}\n"}
