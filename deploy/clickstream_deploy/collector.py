"""The collector's release, and the Secret that salts visitors' ids."""

import base64
import secrets

from clickstream_deploy.app_release import AppRelease
from clickstream_deploy.kinds import SECRET
from clickstream_deploy.objects import INSTANCE, PART, at


class Collector(AppRelease):
    """The collector, with --collector."""

    def _prepare(self) -> None:
        """The salt of visitors' ids, if it is missing; an existing one is never changed."""
        name = f"{self.name}-visitors"
        volumes = [v for each in self.rendered for v in at(each, "spec", "template", "spec", "volumes") or []]
        # Values may name another Secret.
        if name not in [at(each, "secret", "secretName") for each in volumes]:
            return
        if self.cluster.objects(SECRET, fields=f"metadata.name={name}"):
            return
        if self.options.dry_run:
            self.say(f"Would create the secret {name}")
            return
        salt = base64.b64encode(secrets.token_hex(32).encode()).decode()
        metadata = {"name": name, "labels": {INSTANCE: self.name, PART: "clickstream"}}
        self.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"secret": salt}})
        self.say(f"Secret {name} created")

    def next_steps(self) -> str:
        return (
            f"""
  # The collector: an event of your own, while the first command runs; and the line for your pages
  kubectl port-forward service/{self.name} 8090:8080 -n {self.namespace}
  curl -H 'Content-Type: application/json' -d '{{"path": "/hello"}}' http://localhost:8090/ingest
  helm get notes {self.name} -n {self.namespace}
"""
            if self.is_wanted
            else ""
        )
