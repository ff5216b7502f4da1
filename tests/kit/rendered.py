"""Clickstream's charts: which there are, and the objects that they render."""

from typing import Any

from kit import inventory
from kit.helm import Charts
from kit.inventory import ROOT

SOURCE = ROOT / "charts"
RELEASES = {each.chart.removeprefix("clickstream-"): each.name for each in inventory.releases()}
"""The release of each app by the app's name."""
APPS = tuple(RELEASES)
PORTS = {app: {"http": 8080} for app in APPS} | {"collector": {"admin": 8081, "http": 8080}}
"""The ports of each app by name; the first is the one of health and metrics."""
VARIANTS = sorted(str(file.relative_to(SOURCE)) for file in SOURCE.glob("*/ci/*-values.yaml"))

Object = dict[str, Any]


def chart(app: str) -> str:
    """The chart of an app."""
    return f"clickstream-{app}"


def rendered(charts: Charts, app: str, *arguments: str) -> list[Object]:
    """The objects of an app's chart in its usual release, hooks included."""
    return charts.objects(chart(app), *arguments, release=RELEASES[app])


def variant_objects(charts: Charts, variant: str) -> list[Object]:
    """The objects of a chart with one of the values files in its ci/ folder."""
    app = variant.split("/")[0].removeprefix("clickstream-")
    return rendered(charts, app, "--values", str(SOURCE / variant))


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """The objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def only(objects: list[Object], kind: str) -> Object:
    """The one object of a kind, those of `helm test` and of an app's jobs left out."""
    (found,) = [each for each in of_kind(objects, kind) if not (is_test(each) or is_of_jobs(each))]
    return found


def is_test(resource: Object) -> bool:
    """Whether the object belongs to `helm test`."""
    annotations: dict[str, str] = resource["metadata"].get("annotations", {})
    return annotations.get("helm.sh/hook") == "test"


def is_of_jobs(resource: Object) -> bool:
    """Whether the object is for the pods of an app's CronJobs, which have a name of their own."""
    selected: dict[str, str] = resource.get("spec", {}).get("podSelector", {}).get("matchLabels", {})
    return selected.get("app.kubernetes.io/name", "").endswith("-job")


def pod_specs(objects: list[Object]) -> list[Object]:
    """The specifications of all pods, that of `helm test` included."""
    workloads = [each["spec"]["template"]["spec"] for each in objects if each["kind"] in ("Deployment", "Job")]
    workloads += [each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in of_kind(objects, "CronJob")]
    return workloads + [each["spec"] for each in of_kind(objects, "Pod")]


def container(charts: Charts, app: str, *arguments: str) -> Object:
    """The container of the app's Deployment."""
    (found,) = only(rendered(charts, app, *arguments), "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(found: Object) -> dict[str, str]:
    """The environment of a container; variables without a literal value are empty."""
    return {each["name"]: each.get("value", "") for each in found["env"]}
