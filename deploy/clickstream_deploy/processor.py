"""The processor's release: its pods roll only where what they count stays the same."""

from clickstream_deploy.app_release import AppRelease
from clickstream_deploy.kinds import DEPLOYMENT
from clickstream_deploy.objects import Manifest, at
from clickstream_deploy.values import Values

_DECISIVE = ("WINDOW_SIZE", "WINDOW_TIME", "MAX_CLOCK_SKEW")
"""The settings that decide what is counted where."""


class Processor(AppRelease):
    """The stream processor, whose settings say how long topics keep their records."""

    def environment(self) -> dict[str, str]:
        """Return its container's environment, as the chart renders it from all values."""
        found = (each for each in self.rendered if each["kind"] == DEPLOYMENT.name)
        return _environment(next(found, None))

    def values(self) -> Values:
        """Replace the pods one by one if the decisive settings stay the same; otherwise the old ones end first, which
        is the chart's default."""
        if not self.rendered:
            return {}
        running, wanted = _environment(self.cluster.seen(DEPLOYMENT, self.name)), self.environment()
        same = all(wanted.get(each, "") == running.get(each, "") for each in _DECISIVE)
        return {"strategy": "RollingUpdate"} if same else {}


def _environment(deployment: Manifest | None) -> dict[str, str]:
    """Return the environment of its first container; the last of a name wins."""
    found = at(deployment, "spec", "template", "spec", "containers", 0, "env") or []
    return {each["name"]: str(each["value"]) for each in found if "value" in each}
