"""A Helm release: installed while its pods are watched, because some troubles do not pass; and removed."""

import re
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

    def helm(self, *arguments: str) -> Done:
        """Run helm to its end, in the namespace, and in the context that was current at the start."""
        return self.session.programs.run(*self._command(*arguments))

    def status(self) -> str:
        """Return its status, "" when there is none. Raises EndedError when helm can't tell."""
        done = self.helm("status", self.name)
        if done.status != 0 and "not found" not in done.error:
            raise EndedError(f"helm can't read release {self.name}: {done.error.strip()}")
        found = re.search(r"^STATUS: (.*)$", done.output, re.MULTILINE)
        return found[1] if found else ""

    def install(self, chart: str, arguments: Sequence[str], watch: Watch, seen: str) -> None:
        """Install or upgrade it, and wait until its pods are Ready. Raises EndedError with an explanation.

        `seen` is the wait that is shown until there are pods.
        """
        began = self.session.clock.elapsed()
        done = self._wait(("upgrade", "--install", self.name, chart, *arguments), watch, seen)
        if done is not None and done.status == 0:
            return
        if done is None:
            end, explanation = "does not come up: see above, then run setup.sh again", watch.explanation()
        else:
            seconds = int(self.session.clock.elapsed() - began)
            end = f"is not Ready after {seconds}s: see above; setup.sh can be run again"
            explanation = joined(
                indented(done.output.replace("Error: ", "", 1)),
                pods(self.session, self.namespace, watch.selector),
                unmet_conditions(self.session, self.namespace, self.name),
            )
        raise EndedError(f"{self.what} {end}{self._way_back()}", explanation=explanation)

    def remove(self, *arguments: str) -> None:
        """Uninstall it, unless this is a dry run. Raises EndedError with helm's words."""
        if self.session.options.dry_run:
            return
        done = self.helm("uninstall", self.name, *self._patience(), *arguments)
        if done.status != 0:
            raise EndedError(
                f"{self.what} could not be removed (see above): run cleanup.sh again", explanation=indented(done.error)
            )

    def _command(self, *arguments: str) -> list[str]:
        context = self.session.cluster.api.context
        return ["helm", *arguments, "--namespace", self.namespace, *(["--kube-context", context] if context else [])]

    def _patience(self) -> list[str]:
        return ["--timeout", f"{self.session.options.timeout_s}s", "--wait"]

    def _way_back(self) -> str:
        """Return how to come back to the newest revision that was deployed, if there is one."""
        revisions = re.findall(r"^(\d+)\s.*\sdeployed\s", self.helm("history", self.name).output, re.MULTILINE)
        command = f"helm rollback {self.name} {revisions[-1] if revisions else ''} -n {self.namespace}"
        return f"; what ran before comes back with {command}" if revisions else ""

    def _wait(self, arguments: Sequence[str], watch: Watch, seen: str) -> Done | None:
        """Return how helm ended; None when it was ended because its pods are in trouble (watch.trouble)."""
        helm = self.session.programs.start(*self._command(*arguments, *self._patience()))
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
