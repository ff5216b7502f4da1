"""A Helm release: installed while its pods are watched, because some troubles do not pass; and removed."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickstream_deploy.errors import EndedError
from clickstream_deploy.explanations import indented, joined, pods, unmet_conditions
from clickstream_deploy.pods import Watch
from clickstream_deploy.programs import Done
from clickstream_deploy.session import Session

_LOOK_EVERY_S = 2


@dataclass(frozen=True)
class Release:
    """A release in a namespace; `what` is its name in messages. Its Deployment has the name of the release."""

    session: Session
    namespace: str
    name: str
    what: str

    def status(self) -> str:
        """Return its status, "" when there is none."""
        return self.session.helm.status(self.namespace, self.name)

    def install(self, chart: str, arguments: Sequence[str], watch: Watch, seen: str) -> None:
        """Install or upgrade it, and wait until its pods are Ready. Raises EndedError with an explanation.

        `seen` is the wait that is shown until there are pods.
        """
        clock, helm, namespace = self.session.clock, self.session.helm, self.namespace
        began = clock.elapsed()
        timeout = f"{self.session.options.timeout_s}s"
        command = ("upgrade", "--install", self.name, chart, *arguments, "--wait", "--timeout", timeout)
        done = self._wait(command, watch, seen)
        if done is not None and done.status == 0:
            return
        revision = helm.deployed_revision(namespace, self.name)
        back = (
            f"; what ran before comes back with helm rollback {self.name} {revision} -n {namespace}" if revision else ""
        )
        if done is None:
            message = f"{self.what} does not come up: see above, then run setup.sh again{back}"
            raise EndedError(message, explanation=watch.explanation())
        lines = [
            indented(done.output.replace("Error: ", "", 1)),
            pods(self.session, namespace, watch.selector),
            unmet_conditions(self.session, namespace, self.name),
        ]
        after = f"after {int(clock.elapsed() - began)}s: see above; setup.sh can be run again"
        raise EndedError(f"{self.what} is not Ready {after}{back}", explanation=joined(lines))

    def _wait(self, command: Sequence[str], watch: Watch, seen: str) -> Done | None:
        """Return how helm ended; None when it was ended because its pods are in trouble (watch.trouble)."""
        helm = self.session.helm.start(self.namespace, *command)
        looked = 0.0
        try:
            for waited in self.session.progress.looks(every_s=0.2):
                done = helm.done()
                if done is not None:
                    return done
                if waited - looked >= _LOOK_EVERY_S:
                    looked = waited
                    watch.look()
                    if watch.trouble:
                        return None
                    self.session.progress.waiting(f"Waiting for {self.name}: {watch.progress or seen}")
        finally:
            helm.stop()
        return None

    def remove(self, *arguments: str) -> None:
        """Uninstall it, unless this is a dry run. Raises EndedError with helm's words."""
        timeout = f"{self.session.options.timeout_s}s"
        command = ["uninstall", self.name, "--wait", *arguments, "--timeout", timeout]
        done = None if self.session.options.dry_run else self.session.helm.run(self.namespace, *command)
        if done is not None and done.status != 0:
            raise EndedError(
                f"{self.what} could not be removed (see above): run cleanup.sh again", explanation=indented(done.error)
            )
