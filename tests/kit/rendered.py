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

_ADDRESSES = {"DATABASE_URL": "mariadb://user@db/clickstream", "REDIS_URL": "redis://redis/0"}
"""What Secrets hold."""

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
    """The one object of a kind, those of `helm test` and of other pods than the app's own left out."""
    (found,) = [each for each in of_kind(objects, kind) if not (is_test(each) or is_beside(each))]
    return found


def is_test(resource: Object) -> bool:
    """Whether the object belongs to `helm test`."""
    annotations: dict[str, str] = resource["metadata"].get("annotations", {})
    return annotations.get("helm.sh/hook") == "test"


def is_beside(resource: Object) -> bool:
    """Whether the object is for pods that have a name of their own: jobs, a page beside the app, Spark's executors."""
    selected: dict[str, str] = resource.get("spec", {}).get("podSelector", {}).get("matchLabels", {})
    names = (each.get("app.kubernetes.io/name", "") for each in (selected, resource["metadata"]["labels"]))
    return any(name.endswith(("-job", "-admin", "-executor")) for name in names)


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
    """The environment of a container; variables without a literal value are empty, but for addresses."""
    return {each["name"]: each.get("value", _ADDRESSES.get(each["name"], "")) for each in found["env"]}
