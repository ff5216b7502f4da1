"""What a user is told after an installation, and `helm test`."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from kit.helm import Charts
from kit.rendered import APPS, RELEASES, SOURCE, chart, container, is_test, of_kind, rendered


@pytest.mark.parametrize(
    ("app", "options", "commands"),
    [
        ("producer", (), ["kubectl logs -f deployment/clickstream-producer -n kafka"]),
        ("producer", ("--set", "duration=5m"), ["kubectl logs -f -l app.kubernetes.io/instance=clickstream-producer"]),
        (
            "streams",
            (),
            [
                "kubectl logs -f deployment/clickstream-streams-processor -n kafka",
                "kubectl scale deployment clickstream-streams-processor -n kafka --replicas=3",
                "helm test clickstream-streams-processor -n kafka",
            ],
        ),
        ("streams", ("--set", "keda.enabled=true"), ["kubectl get scaledobject,hpa -n kafka"]),
        ("consumer", (), ["kubectl logs -f deployment/clickstream-consumer -n kafka"]),
        (
            "collector",
            (),
            [
                "kubectl port-forward service/clickstream-collector 8090:8080 -n kafka",
                '<script defer src="http://localhost:8090/clickstream.js"></script>',
                "helm test clickstream-collector -n kafka",
                "kubectl scale deployment clickstream-collector -n kafka --replicas=2",
            ],
        ),
        (
            "collector",
            ("--values", str(SOURCE / "clickstream-collector/ci/04-http-route-values.yaml")),
            ['<script defer src="https://collect.example.com/clickstream.js"></script>'],
        ),
        (
            "collector",
            ("--values", str(SOURCE / "clickstream-collector/ci/05-ingress-values.yaml")),
            ['<script defer src="https://shop.example.com/clickstream.js" data-key="shop"></script>'],
        ),
        (
            "collector",
            ("--set", "ingress.enabled=true,ingress.hosts={collect.test}"),
            ['<script defer src="http://collect.test/clickstream.js"></script>'],
        ),
        ("collector", ("--set", "autoscaling.enabled=true"), ["kubectl get hpa clickstream-collector -n kafka"]),
    ],
)
def test_the_notes_say_the_next_command(
    charts: Charts, tmp_path: Path, app: str, options: tuple[str, ...], commands: list[str]
) -> None:
    told = notes(charts, tmp_path, app, *options)
    for command in commands:
        assert command in told


def notes(charts: Charts, workshop: Path, app: str, *options: str) -> str:
    """NOTES.txt as Helm would print it; only `helm install` does, so here a template of a copy holds its text."""
    copy = workshop / chart(app)
    shutil.copytree(charts.directory / chart(app), copy, dirs_exist_ok=True)
    text = (copy / "templates/NOTES.txt").read_text()
    body = '{{- define "notes" }}' + text + '{{- end }}\nkind: Notes\ntext: {{ include "notes" . | toJson }}\n'
    (copy / "templates/notes.yaml").write_text(body)
    done = charts.run("template", RELEASES[app], str(copy), "-n", "kafka", "-s", "templates/notes.yaml", *options)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["text"])


def test_the_notes_of_a_recreating_upgrade_warn_of_a_rollback(charts: Charts, tmp_path: Path) -> None:
    warning = "go back by an upgrade\nwith the old values"
    assert warning in notes(charts, tmp_path, "streams", "--is-upgrade")
    assert warning not in notes(charts, tmp_path, "streams")
    assert warning not in notes(charts, tmp_path, "streams", "--is-upgrade", "--set", "strategy=RollingUpdate")


@pytest.mark.parametrize("app", APPS)
def test_helm_test_runs_the_check_in_the_apps_image_and_leaves_nothing(charts: Charts, app: str) -> None:
    objects = [each for each in rendered(charts, app) if is_test(each)]
    assert {each["kind"] for each in objects} == {"Pod", "NetworkPolicy"}
    for each in objects:
        policies = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policies == "before-hook-creation,hook-succeeded"
    (pod,) = of_kind(objects, "Pod")
    (check,) = pod["spec"]["containers"]
    assert check["image"] == container(charts, app)["image"]
    assert check["command"] == ["python", "-m"]
    module, address, *metric = check["args"]
    assert module in ("clickstream_core.check", f"clickstream_{app}.check")
    assert find_spec(module), "the image has it"
    assert address == f"http://{RELEASES[app]}:8080"
    documented = (SOURCE.parent / "docs/metrics.md").read_text(encoding="utf-8")
    assert len(metric) == (module == "clickstream_core.check" and app not in ("archive", "scenarios", "statistics"))
    assert all(f"| `{each}` |" in documented for each in metric)
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
