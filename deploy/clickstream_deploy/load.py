"""The Job of a throughput test: pods of the producer as it is installed, with another rate, for a while."""

from copy import deepcopy
from math import ceil

from clickstream_core.event_rates import EVENTS_PER_PROCESS
from clickstream_deploy.objects import Manifest, at

NAME = "clickstream-throughput-test"
SELECTOR = f"app.kubernetes.io/component={NAME}"
_LABELS = {"app.kubernetes.io/component": NAME}
_KEPT_S = 60
_USERS = 10_000
"""So many that their events are spread evenly over the partitions."""


def pod_count(rate: float) -> int:
    """Return how many pods send `rate` events per second, with one process and some one CPU each."""
    return max(1, ceil(rate / EVENTS_PER_PROCESS))


def load_job(producer: Manifest, topic: str, rate: float, duration_s: int) -> Manifest:
    """Return the Job. Should setup.sh be killed, it ends by itself, and Kubernetes removes it."""
    pods = pod_count(rate)
    # With the producer's labels its NetworkPolicy holds for these pods, and cleanup.sh finds the Job.
    template = deepcopy(producer["spec"]["template"])
    template["metadata"]["labels"] |= _LABELS
    template["spec"]["restartPolicy"] = "Never"
    container = template["spec"]["containers"][0]
    chosen = {"KIND": "events", "EVENTS_TOPIC": topic, "RATE": f"{rate / pods:.6f}", "USERS": str(_USERS)}
    chosen["DURATION"] = f"{duration_s}s"
    kept = [each for each in container["env"] if each["name"] not in {*chosen, "SEED"}]
    container["env"] = kept + [{"name": name, "value": value} for name, value in chosen.items()]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, "labels": {**at(producer, "metadata", "labels"), **_LABELS}},
        "spec": {
            "completions": pods,
            "parallelism": pods,
            "backoffLimit": 0,
            "activeDeadlineSeconds": duration_s + _KEPT_S,
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": template,
        },
    }
